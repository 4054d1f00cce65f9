/** Progress bars: what succeeded and what failed of what there is. */

import { h } from "./dom.js";
import { number, percent } from "./format.js";

/** Describe the bar of *work* (objects or rows, done, failed, state); *label* names it. */
export function progressBar(work, label, size = "") {
  const all = work.objects ?? work.rows ?? 0;
  const failed = work.failed ?? 0;
  const done = Math.max(0, (work.done ?? 0) - failed);
  const part = work.progress ?? (all ? Math.min(1, (work.done ?? 0) / all) : 0);
  const share = (count) => `${all ? Math.min(100, (100 * count) / all) : 0}%`;
  const failedShare = failed && all ? `max(3px, ${share(failed)})` : "0%";
  return h(
    "div",
    {
      class: `bar ${size} ${work.state ?? ""}`,
      role: "progressbar",
      "aria-label": label,
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "aria-valuenow": String(Math.floor(part * 100)),
      "aria-valuetext": `${percent(part)}, ${number(work.done ?? 0)} of ${number(all)}${failed ? `, ${number(failed)} failed` : ""}`,
    },
    h("span", { class: "bar-done", style: { "--part": all ? share(done) : `${part * 100}%` } }),
    h("span", { class: "bar-failed", style: { "--part": failedShare } }),
  );
}
