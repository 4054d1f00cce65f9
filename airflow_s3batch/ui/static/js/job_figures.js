/** The figures of a job: progress, failures, rate, time left. */

import { h } from "./dom.js";
import { bytes, clock, duration, moment, number, percent, rate } from "./format.js";
import { progressBar } from "./progress.js";
import { isActive } from "./states.js";

export function jobFigures(job, now) {
  if (job.objects == null && job.progress == null) return null;
  return h(
    "section",
    { key: "figures", class: "card figures", "aria-label": "Progress" },
    h(
      "div",
      { class: "whole" },
      h("p", { class: "share" }, h("strong", null, percent(job.progress)), h("span", null, `${number(job.done)} of ${number(job.objects)} objects${job.dry_run ? " looked at, none changed" : ""}`)),
      progressBar(job, "Progress of the job", "large"),
    ),
    h("dl", null, figures(job, now).map(([label, value, note, tone]) => h("div", { key: label, class: tone ?? "" }, h("dt", null, label), h("dd", null, value, note && h("small", null, note))))),
  );
}

function figures(job, now) {
  const isLive = isActive(job.state);
  const spent = ((Date.parse(job.ended ?? "") || now) - Date.parse(job.started ?? "")) / 1000;
  const share = job.done ? `${percent((job.failed ?? 0) / job.done)} of what was tried` : "";
  return [
    [job.dry_run ? "Would be done" : "Succeeded", number(job.succeeded)],
    [job.dry_run ? "Could not be" : "Failed", number(job.failed), job.failed ? share : "", job.failed ? "bad" : ""],
    job.not_attempted > 0 && ["Not attempted", number(job.not_attempted), "no attempt reached them", "bad"],
    isLive ? ["Rate now", rate(job.rate)] : ["Mean rate", rate(job.report?.rate ?? job.done / spent)],
    isLive ? ["Time left", duration(job.eta_s ?? NaN), job.eta_s == null ? "" : `ends about ${clock(now + job.eta_s * 1000)}`] : ["Took", duration(spent)],
    isLive ? ["Running for", duration(spent)] : ["Ended", clock(job.ended), job.ended && moment(job.ended).slice(0, 10)],
    ["Slow-downs", number(job.slow_downs ?? 0), job.slow_downs ? "asked for by the store" : "", job.slow_downs ? "warn" : ""],
    ["Size", bytes(job.bytes)],
  ].filter(Boolean);
}
