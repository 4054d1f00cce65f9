/** What is known of a job besides its figures: approval, selection and guards, report and files, checks, links. */

import { commandLine } from "./copy.js";
import { h } from "./dom.js";
import { bytes, moment, number } from "./format.js";
import { outLink, safeUrl } from "./places.js";
import { badge, taskState } from "./states.js";
import { decoded, humanised, linesOf } from "./text.js";

/** Describe what was asked and selected: what matters most before anything is done. */
export function jobPlan(job) {
  return [[approval(job), rehearsal(job)], selection(job)];
}

/** Describe what the job left, and the way to it. */
export function jobResults(job) {
  return [links(job), verification(job)];
}

function card(key, title, ...content) {
  return h("section", { key, class: "card", "aria-labelledby": `${key}-title` }, h("h2", { id: `${key}-title` }, title), content);
}

function facts(rows) {
  return h("dl", { class: "facts" }, rows.filter(([, value]) => value != null && value !== "" && value !== false).map(([label, value]) => h("div", { key: label }, h("dt", null, label), h("dd", null, value))));
}

function links(job) {
  const found = [...(job.links ?? [])];
  if (!found.length) return null;
  return card("links", job.report ? "Report and links" : "Links", h("ul", { class: "links" }, found.map((link, index) => h("li", { key: `${index} ${link.label}` }, linked(link)))));
}

/** A browser can't open what lies on S3: its URL is to be copied. */
function linked({ label, url }) {
  if (safeUrl(url)) return outLink(url, label);
  return [h("span", null, label), commandLine(url, `the URL: ${label}`, decoded(url))];
}

function approval(job) {
  const asked = job.approval;
  if (!asked || asked.state === "not_asked") return null;
  return card(
    "approval",
    "Approval",
    facts([
      ["State", humanised(asked.state)],
      ["Question", asked.subject],
      ["Answered by", asked.by],
      ["On", asked.at && moment(asked.at)],
      ["Until", asked.deadline && moment(asked.deadline)],
      ["Where", asked.url && outLink(asked.url, "The task in Airflow")],
    ]),
  );
}

function rehearsal(job) {
  const found = job.rehearsal;
  if (!found || found.dry_run || ["none", "scheduled", "queued", "upstream_failed", "removed"].includes(found.state)) return null;
  const isKnown = found.state === "success" && found.objects != null;
  const counted = found.counted_failures ? `${number(found.failed)}, of which ${number(found.counted_failures)} count (${number(found.allowed)} allowed)` : number(found.failed);
  return card(
    "rehearsal",
    "Rehearsal",
    facts([
      ["State", badge(taskState(found.state))],
      ["Sample", isKnown && `${number(found.objects)} random objects of ${number(found.of)}`],
      ["Succeeded", isKnown && number(found.succeeded)],
      ["Failed", isKnown && counted],
      ["Where", outLink(found.url, "The task in Airflow")],
    ]),
  );
}

function verification(job) {
  const found = job.verification;
  if (!found) return null;
  const codes = Object.entries(found.codes ?? {});
  const examples = Object.values(found.examples ?? {}).flat();
  return card(
    "verification",
    "Verification",
    found.sentence ? linesOf(found.sentence).map((line) => h("p", null, line)) : h("p", null, found.differ ? `${number(found.differ)} of ${number(found.checked)} objects are not as the operation should have left them.` : `${number(found.checked)} of ${number(found.of)} objects were read again; all are as the operation should have left them.`),
    codes.length > 0 && facts(codes.map(([code, count]) => [code, number(count)])),
    examples.length > 0 && h("ul", { class: "keys" }, examples.map((url) => h("li", { key: url }, h("code", { class: "key", dir: "ltr" }, decoded(url))))),
  );
}

function selection(job) {
  const plan = job.plan;
  if (!plan || !Object.keys(plan).length) return null;
  const isPublished = plan.state === "published";
  const guards = Object.entries(plan.guards ?? {}).filter(([, value]) => value != null);
  return card(
    "plan",
    "What was selected",
    plan.reason !== job.sentence && linesOf(plan.reason).map((line) => h("p", { class: "sentence" }, line)),
    facts([
      ["From", [plan.source_name && h("code", null, decoded(plan.source_name)), plan.source && h("small", null, ` ${humanised(plan.source)}`)]],
      ["As of", plan.as_of && moment(plan.as_of)],
      ["Objects", isPublished && number(plan.rows)],
      ["Size", isPublished && bytes(plan.bytes)],
      ["Shards", isPublished && number(plan.shards)],
      ["Storage classes", isPublished && classes(plan.storage_classes)],
      ["Guards", guards.length > 0 && h("ul", { class: "plain" }, guards.map(([name, value]) => h("li", { key: name }, h("code", null, name), ` ${said(value)}`)))],
      ["Cost", cost(plan.cost)],
      ["Job", job.job_url && h("code", { class: "key" }, decoded(job.job_url))],
    ]),
    plan.sql && h("details", { key: "sql", open: !job.done }, h("summary", null, "SQL"), h("pre", { tabindex: "0" }, String(plan.sql).split("\n").map((line) => h("code", { class: "line" }, line || " ")))),
    parameters(plan.operation),
  );
}

function classes(found) {
  const rows = Object.entries(found ?? {});
  return rows.length > 0 && h("ul", { class: "plain" }, rows.map(([name, [count, size]]) => h("li", { key: name }, `${name || "not known"}: ${number(count)}, ${bytes(size)}`)));
}

function parameters(operation) {
  const rows = Object.entries(operation ?? {}).filter(([name, value]) => name !== "operation" && value != null);
  return rows.length > 0 && h("details", { key: "parameters" }, h("summary", null, "Parameters of the operation"), facts(rows.map(([name, value]) => [name, h("code", null, said(value))])));
}

/** The sentence names the amount and what it is made of; estimates of others may have no more than a total. */
function cost(estimate) {
  if (!estimate) return null;
  const words = estimate.sentence || [estimate.total, estimate.currency].filter(Boolean).join(" ");
  const notes = [...listed(estimate.assumptions), ...listed(estimate.not_included).map((what) => `not included: ${what}`)];
  return [words || said(estimate), notes.length > 0 && h("ul", { class: "plain muted" }, notes.map((note, index) => h("li", { key: index }, note)))];
}

const listed = (value) => (Array.isArray(value) ? value.map(said) : []);

function said(value) {
  if (Number.isInteger(value)) return number(value);
  if (Array.isArray(value)) return value.map(said).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}
