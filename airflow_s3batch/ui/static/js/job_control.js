/** Who paused or slowed the job, and the commands that control it: this page itself changes nothing. */

import { commandLine } from "./copy.js";
import { h } from "./dom.js";
import { moment, number } from "./format.js";
import { isActive } from "./states.js";

export function jobControl(job) {
  const commands = job.commands ?? [];
  if (!commands.length && !job.control) return null;
  return h(
    "section",
    { key: "control", class: "card", "aria-labelledby": "control-title" },
    h("h2", { id: "control-title" }, isActive(job.state) ? "Control" : "On the command line"),
    job.control && h("p", { class: "muted" }, state(job.control)),
    h(
      "ul",
      { class: "commands" },
      commands.map(({ label, command }) => h("li", { key: label }, h("span", null, label), commandLine(command, `the command: ${label}`))),
    ),
  );
}

function state({ state: wanted, max_requests_per_s: requests, max_concurrency: concurrency, by, at, reason }) {
  const limits = [requests != null && `${number(requests)} requests/s at most`, concurrency != null && `${number(concurrency)} requests in flight at most`].filter(Boolean);
  const what = wanted === "pause" ? "A pause is asked for" : limits.length ? `Set while running: ${limits.join(", ")}` : "No limit is set";
  return `${what}${by ? `, by ${by}` : ""}${at ? ` on ${moment(at)}` : ""}${reason ? ` (${reason})` : ""}.`;
}
