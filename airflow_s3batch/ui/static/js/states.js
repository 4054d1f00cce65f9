/** The states of jobs and of task instances: words, icon and tone of each. */

import { h } from "./dom.js";
import { icon } from "./icons.js";

/** In the order in which a person on call wants to see them. */
export const JOB_STATES = {
  failed: { label: "Failed", icon: "cross", tone: "bad" },
  refused: { label: "Refused", icon: "stop", tone: "bad" },
  awaiting_approval: { label: "Awaiting approval", icon: "hand", tone: "warn" },
  paused: { label: "Paused", icon: "pause", tone: "warn" },
  running: { label: "Running", icon: "play", tone: "busy" },
  planning: { label: "Planning", icon: "list", tone: "busy" },
  reporting: { label: "Reporting", icon: "page", tone: "busy" },
  queued: { label: "Queued", icon: "clock", tone: "idle" },
  success: { label: "Success", icon: "check", tone: "good" },
  skipped: { label: "Skipped", icon: "skip", tone: "idle" },
};

const TASK_STATES = {
  failed: { label: "Failed", icon: "cross", tone: "bad" },
  upstream_failed: { label: "Upstream failed", icon: "cross", tone: "bad" },
  up_for_retry: { label: "Up for retry", icon: "retry", tone: "warn" },
  up_for_reschedule: { label: "Up for reschedule", icon: "clock", tone: "warn" },
  restarting: { label: "Restarting", icon: "retry", tone: "warn" },
  paused: { label: "Paused", icon: "pause", tone: "warn" },
  stopped: { label: "Stopped", icon: "stop", tone: "warn" },
  running: { label: "Running", icon: "play", tone: "busy" },
  deferred: { label: "Deferred", icon: "clock", tone: "busy" },
  awaiting_input: { label: "Awaiting input", icon: "hand", tone: "warn" },
  queued: { label: "Queued", icon: "clock", tone: "idle" },
  scheduled: { label: "Scheduled", icon: "clock", tone: "idle" },
  success: { label: "Success", icon: "check", tone: "good" },
  skipped: { label: "Skipped", icon: "skip", tone: "idle" },
  removed: { label: "Removed", icon: "skip", tone: "idle" },
};
const TASK_ORDER = Object.keys(TASK_STATES);
const ENDED = new Set(["success", "failed", "refused", "skipped"]);

export const jobState = (name) => JOB_STATES[name] ?? { label: name || "Unknown", icon: "dot", tone: "idle" };

export const taskState = (name) => TASK_STATES[name === "none" ? "" : name] ?? { label: name || "Not started", icon: "dot", tone: "idle" };

/** Whether the job can change without anybody clearing it. */
export const isActive = (state) => !ENDED.has(state);

/** Rank of a task's state: what needs attention comes first. */
export function taskRank(name) {
  const rank = TASK_ORDER.indexOf(name);
  return rank < 0 ? TASK_ORDER.length : rank;
}

/** Describe the state as icon and words. */
export function badge({ label, icon: name, tone }, size = "") {
  return h("span", { class: `badge ${tone} ${size}` }, icon(name), h("span", null, label));
}
