/** The head of a job: state, what it is, the one sentence of what is going on, and what to do next. */

import { goingOn, heading, nextSteps } from "./advice.js";
import { h } from "./dom.js";
import { ago, moment } from "./format.js";
import { engineName } from "./jobs_table.js";
import { outLink } from "./places.js";
import { badge, isActive, jobState } from "./states.js";
import { jobName, linesOf } from "./text.js";

const QUIET_MS = 120_000;

export function jobHead(job, now) {
  const state = jobState(job.state);
  const steps = nextSteps(job);
  return h(
    "header",
    { key: "head", class: `job-head ${state.tone}` },
    h("div", { class: "title" }, badge(state, "large"), h("h1", { id: "title" }, jobName(job)), job.dry_run && h("span", { class: "tag" }, "dry run")),
    h("p", { class: "origin" }, origin(job)),
    linesOf(goingOn(job)).map((line) => h("p", { class: "sentence" }, line)),
    job.waiting && h("p", { key: "waiting", class: "sentence" }, job.waiting),
    silence(job, now),
    steps.length > 0 && h("div", { class: "next" }, h("h2", null, heading(job)), h("ol", { class: steps.length === 1 ? "single" : "" }, steps.map((step) => h("li", null, step)))),
  );
}

function origin(job) {
  return [
    outLink(job.run_url, [h("bdi", null, job.dag_id), " › ", h("bdi", null, job.run_id)]),
    job.group && [h("span", { class: "gap" }, "group "), h("bdi", null, job.group)],
    h("span", { class: "gap" }, `on ${engineName(job.engine)}`),
    job.started && h("span", { class: "gap", title: moment(job.started) }, `started ${moment(job.started)}`),
  ];
}

/** A job that runs tells how far it is every ten seconds or so; one that does not may be lost. */
function silence(job, now) {
  const heard = Date.parse(job.updated ?? "");
  if (job.state !== "running" || job.rehearsing || !isActive(job.state) || !(now - heard > QUIET_MS)) return null;
  return h("p", { key: "silence", class: "notice" }, `The tasks were last heard of ${ago(job.updated, now)}: the figures are as old. Look at the log of one of them if this goes on.`);
}
