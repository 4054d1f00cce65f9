/** The table of jobs and its pages. */

import { goingOn } from "./advice.js";
import { h } from "./dom.js";
import { ago, bytes, duration, moment, number, percent, rate } from "./format.js";
import { icon } from "./icons.js";
import { progressBar } from "./progress.js";
import { change, pageLink } from "./route.js";
import { badge, isActive, jobState } from "./states.js";
import { jobName, linesOf } from "./text.js";

const SIZES = ["10", "25", "50", "100"];
const COLUMNS = [
  { label: "State", sort: "state" },
  { label: "Job", sort: "dag_id" },
  { label: "Progress", sort: "progress" },
  { label: "Objects", sort: "objects", isNumber: true },
  { label: "Failed", sort: "failed", isNumber: true },
  { label: "Rate", sort: "rate", isNumber: true },
  { label: "Size", sort: "bytes", isNumber: true },
  { label: "Started", sort: "started", isNumber: true },
];
const NEED_WORDS = new Set(["failed", "refused", "awaiting_approval", "paused"]);
const KNOWN_EMPTY = new Set(["success", "skipped"]);
const ENGINES = { worker: "Airflow workers", managed: "AWS" };

export const engineName = (engine) => ENGINES[engine] ?? engine ?? "";

/** Describe the table; *now*: the server's time in ms. */
export function jobsTable(jobs, query, now) {
  return h(
    "div",
    { key: "scroll", class: "table-frame", role: "region", "aria-label": "Jobs", tabindex: "0" },
    h(
      "table",
      { class: "jobs cards", role: "table" },
      h("caption", { class: "unseen" }, "S3 Batch jobs; the headers sort"),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, COLUMNS.map((column) => header(column, query)))),
      h("tbody", { role: "rowgroup" }, jobs.map((job) => row(job, now))),
    ),
  );
}

function header({ label, sort, isNumber }, query) {
  const [isDown, current] = query.sort.startsWith("-") ? [true, query.sort.slice(1)] : [false, query.sort];
  const isSorted = current === sort;
  const direction = isDown ? "descending" : "ascending";
  const next = isSorted ? (isDown ? sort : `-${sort}`) : isNumber || sort === "progress" ? `-${sort}` : sort;
  return h(
    "th",
    { key: sort, scope: "col", role: "columnheader", class: isNumber ? "number" : "", "aria-sort": isSorted ? direction : "none" },
    h(
      "button",
      { type: "button", class: "sort", on: { click: () => change({ sort: next === "-started" ? "" : next, page: "" }) } },
      label,
      icon(isSorted ? (isDown ? "down" : "up") : "sort"),
    ),
  );
}

function row(job, now) {
  const key = `${job.dag_id} ${job.run_id} ${job.group} ${job.job_url}`;
  const state = jobState(job.state);
  const hasManifest = Boolean(job.objects) || KNOWN_EMPTY.has(job.state);
  return h(
    "tr",
    { key, role: "row", class: state.tone },
    cell("State", badge(state)),
    h("th", { scope: "row", role: "rowheader", class: "job" }, name(job)),
    cell("Progress", progress(job)),
    cell("Objects", hasManifest ? number(job.objects) : "–", "number"),
    cell("Failed", failures(job), "number"),
    cell("Rate", isActive(job.state) ? rate(job.rate) : job.rate ? h("span", { class: "muted" }, rate(job.rate)) : "–", "number"),
    cell("Size", hasManifest ? bytes(job.bytes) : "–", "number"),
    cell("Started", started(job, now), "number"),
  );
}

function cell(label, content, kind = "") {
  return h("td", { role: "cell", class: kind, "data-label": label }, content);
}

function name(job) {
  const title = [jobName(job), job.dry_run && " (dry run)"];
  return [
    pageLink({ dag_id: job.dag_id, run_id: job.run_id, group: job.group }, title, { class: "job-link" }),
    job.engine === "managed" && h("span", { class: "tag" }, "by AWS"),
    h("span", { class: "where" }, h("bdi", null, job.dag_id), job.group && [h("span", { "aria-hidden": "true" }, " › "), h("bdi", null, job.group)]),
    h("span", { class: "where" }, h("bdi", { class: "run" }, job.run_id)),
    NEED_WORDS.has(job.state) && goingOn(job) && h("span", { class: "why" }, linesOf(goingOn(job)).join(" ")),
  ];
}

function progress(job) {
  if (job.progress == null) return h("span", { class: "muted" }, "–");
  const eta = job.state === "running" && job.eta_s != null && `${duration(job.eta_s)} left`;
  return h(
    "div",
    { class: "progress-cell" },
    progressBar(job, `Progress of ${job.operation ?? "the job"} in ${job.dag_id}`),
    h("span", { class: "figures-line" }, percent(job.progress), eta && h("span", { class: "muted" }, eta)),
  );
}

function failures(job) {
  if (!job.failed) return number(job.failed);
  return h("span", { class: "failures" }, icon("cross"), number(job.failed));
}

function started(job, now) {
  if (!job.started) return "–";
  const span = (Date.parse(job.ended ?? "") || now) - Date.parse(job.started);
  const verb = isActive(job.state) ? "for" : "took";
  return h(
    "span",
    { title: `Started ${moment(job.started)}${job.ended ? `, ended ${moment(job.ended)}` : ""}` },
    h("time", { datetime: job.started }, ago(job.started, now)),
    h("span", { class: "muted under" }, `${verb} ${duration(span / 1000)}`),
  );
}

/** Describe which part of the list is shown, and the way to the others. */
export function paging({ total, page, size }, query) {
  const last = Math.max(1, Math.ceil(total / size));
  const to = (target) => () => change({ page: target === 1 ? "" : String(target) });
  return h(
    "nav",
    { key: "paging", class: "paging", "aria-label": "Pages" },
    h("span", null, `${number((page - 1) * size + 1)}–${number(Math.min(total, page * size))} of ${number(total)}`),
    h("button", { type: "button", disabled: page <= 1, "aria-label": "Previous page", on: { click: to(page - 1) } }, icon("back")),
    h("span", null, `Page ${number(page)} of ${number(last)}`),
    h("button", { type: "button", disabled: page >= last, "aria-label": "Next page", on: { click: to(page + 1) } }, icon("next")),
    h(
      "label",
      { class: "choice" },
      "Rows ",
      h(
        "select",
        { on: { change: (event) => change({ size: event.target.value === "25" ? "" : event.target.value, page: "" }) } },
        SIZES.map((option) => h("option", { key: option, value: option, props: { selected: option === query.size } }, option)),
      ),
    ),
  );
}
