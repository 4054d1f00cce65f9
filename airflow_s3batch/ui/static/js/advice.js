/** What to do next, by the state of a job: the way from "a task is red" to "run these again". */

import { meaning } from "./codes.js";
import { command } from "./copy.js";
import { h } from "./dom.js";
import { moment, number, plural } from "./format.js";
import { AIRFLOW, outLink } from "./places.js";
import { shortLabel } from "./job_shards.js";
import { taskRank, taskState } from "./states.js";

const HEADINGS = { running: "Good to know", success: "Good to know", skipped: "Good to know" };
const GOING_ON = {
  planning: "The manifest is being made: which objects are meant. None has been touched yet.",
  awaiting_approval: "Nothing is done to any object until somebody has answered.",
  queued: "The manifest is there; the tasks have not started yet.",
  reporting: "Every object is accounted for in the report that is being written.",
};
const ADVICE = { failed, refused, awaiting_approval: approval, paused, running, queued, success, skipped };

/** Return the steps, each content for a list item; none if there is nothing to do. */
export function nextSteps(job) {
  return (ADVICE[job.state]?.(job) ?? []).filter(Boolean);
}

/** Return what the steps are called. */
export function heading(job) {
  return HEADINGS[job.state] ?? "What to do next";
}

/** Return what is going on, in one sentence. */
export function goingOn(job) {
  if (job.state === "paused") return job.sentence || pause(job);
  if (job.state === "running" && job.rehearsing) return "The rehearsal is at work: a random sample of the objects is done for real. All others wait for it.";
  if (job.state === "reporting" && job.verifying) return "What was done is being looked at once more, before the report is written.";
  return job.sentence || GOING_ON[job.state] || (job.state === "running" && atWork(job)) || "";
}

function pause({ control }) {
  const { by, at, reason } = control ?? {};
  const who = [by && ` by ${by}`, at && ` on ${moment(at)}`, reason && `: ${reason}`].filter(Boolean).join("");
  return `The job is paused${who}. Its tasks wait, and send nothing.`;
}

/** Return how many of the operation's tasks do what. */
function atWork({ shards, engine }) {
  const states = Object.entries(shards ?? {}).sort((a, b) => taskRank(a[0]) - taskRank(b[0]));
  const all = states.reduce((sum, [, count]) => sum + count, 0);
  if (!all) return "";
  const parts = states.map(([name, count]) => `${number(count)} ${taskState(name).label.toLowerCase()}`);
  return `Of ${plural(all, engine === "managed" ? "AWS job" : "shard")}: ${parts.join(", ")}.`;
}

function failed(job) {
  const worst = job.codes?.find(({ code }) => code !== "NotAttempted") ?? job.codes?.[0];
  const before = failedBefore(job);
  const shard = failedShard(job);
  const operation = taskId(job, "operation");
  const differ = job.verification?.differ > 0;
  const isDone = job.done === job.objects && !job.failed;
  return [
    differ && "Look at what differs, under Verification. To the job these objects have succeeded, so clearing does not do them again: a job on report/differences.csv does.",
    shard && ["Read the log of ", outLink(shard.log_url, shortLabel(shard)), job.failed ? " if the codes below don’t say enough." : ": it says what happened."],
    worst && ["Remove the cause. ", h("strong", null, worst.code), ` (${number(worst.number)}): `, meaning(worst.code) || "see what the task’s log says of it."],
    before && ["The operation has not begun. Mend what ", taskLink(job, before, taskId(job, before)), " says in its log, then clear that task: those behind it follow."],
    !before && !(differ && isDone) && [
      "Run these again: open ",
      taskLink(job, "operation", operation),
      ", choose ",
      h("em", null, "Clear task instance"),
      job.shards?.failed ? " (failed ones are enough)" : " (all of them: none is red, but what they could not do adds up)",
      " and confirm. What has succeeded is kept; only the rest is done again.",
    ],
  ];
}

/** Return the part of the job whose failure let the operation not begin at all; nothing if that has begun. */
function failedBefore(job) {
  const hasBegun = Object.keys(job.shards ?? {}).some((state) => !["none", "upstream_failed", "skipped", "removed"].includes(state));
  if (hasBegun || !job.task_ids?.operation) return "";
  if (job.rehearsal?.state === "failed") return "rehearsal";
  if (job.approval?.state === "failed") return "approval";
  return job.plan && job.plan.state !== "published" ? "manifest" : "";
}

function refused(job) {
  return [
    "No object was touched: a guard stopped the job before the manifest was published.",
    ["Look at the selection below. If it is what you want, raise the guard in the Dag; else mend the filter."],
    ["Then clear ", taskLink(job, "manifest", taskId(job, "manifest")), "; the job starts over."],
  ];
}

function approval(job) {
  const { url, deadline } = job.approval ?? {};
  return [
    "Look at what is selected, how much it is and what it costs, below.",
    url ? [outLink(url, "Answer in Airflow", { class: "button primary" }), deadline && ` until ${moment(deadline)}.`] : "Answer at the task that waits, in Airflow.",
  ];
}

function paused(job) {
  return ["Nothing is lost: what is done stays done.", command(job, "Resume", "To go on, run:") ?? "To go on, resume it from the command line."];
}

function running(job) {
  return [
    job.notice,
    job.slow_downs > 0 && job.in_flight === 0 && "The store asks to slow down; the job obeys and finds the rate it bears by itself.",
    job.failed > 0 && "Some objects have failed already. The job goes on; they can be run again on their own when it has ended.",
  ];
}

function queued() {
  return ["The tasks wait for a free slot: look at the pool and the Dag’s concurrency if this takes long."];
}

function success(job) {
  if (job.dry_run) return ["Nothing was changed: it was a dry run. The report says what would be done; start it again without dry_run to do it."];
  return [job.failed > 0 && "Some objects failed, but no more than the job allows. They are listed below."];
}

function skipped() {
  return ["No object was touched by this run."];
}

function failedShard(job) {
  return (job.shard_list ?? []).find((shard) => shard.state === "failed" && shard.log_url);
}

/** Return the id of the job's task for *role*; tasks in a group are prefixed by it. */
export function taskId(job, role) {
  return job.task_ids?.[role] || role;
}

/** Describe a link to the page of a task of this run. */
export function taskLink(job, role, text) {
  const id = job.task_ids?.[role];
  if (!id) return h("code", null, text);
  const path = `dags/${encodeURIComponent(job.dag_id)}/runs/${encodeURIComponent(job.run_id)}/tasks/${encodeURIComponent(id)}`;
  const isMapped = role === "operation" && (job.shard_list?.[0]?.map_index ?? -1) >= 0;
  return outLink(new URL(path + (isMapped ? "/mapped" : ""), AIRFLOW).href, h("code", null, text));
}
