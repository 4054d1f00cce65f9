/** How old what is shown is: a small line that ticks, and a banner once Airflow stops answering. */

import { h, render } from "./dom.js";
import { clock, duration } from "./format.js";
import { icon } from "./icons.js";
import { outLink } from "./places.js";

const TICK_MS = 1_000;
const banner = document.getElementById("trouble");
let ticking = 0;

/** Describe the line; `tick` fills it. */
export function freshness(poll) {
  return h(
    "p",
    { class: "freshness" },
    h("span", { class: "freshness-text", mount: (element) => tick(element, poll) }),
    h("button", { type: "button", class: "plain", title: "Refresh now", "aria-label": "Refresh now", on: { click: () => poll().now() } }, icon("refresh")),
  );
}

function tick(element, poll) {
  clearInterval(ticking);
  const show = () => {
    const { text, tone } = state(poll());
    if (element.textContent !== text) element.textContent = text;
    element.parentElement?.setAttribute("data-tone", tone);
  };
  ticking = setInterval(show, TICK_MS);
  queueMicrotask(show);
}

function state(poll) {
  if (!poll.answeredAt) return { text: "Loading…", tone: "idle" };
  const age = Math.round((Date.now() - poll.answeredAt) / 1000);
  const when = age < 2 ? "just now" : `${duration(age)} ago`;
  if (poll.trouble) return { text: `As of ${clock(poll.answeredAt)}, not up to date`, tone: "bad" };
  return { text: `${poll.isLive ? "Live" : "Nothing runs"} · read ${when}`, tone: poll.isLive ? "busy" : "idle" };
}

/** Show what is wrong above the page, with what to do and when it is tried again; null takes it away. */
export function showTrouble(trouble, poll) {
  poll.trouble = trouble;
  if (!trouble) return render(banner);
  const since = poll.answeredAt ? `What is shown is from ${clock(poll.answeredAt)}. ` : "";
  const again = poll.dueAt ? `It is tried again at ${clock(poll.dueAt)}.` : "";
  return render(
    banner,
    h(
      "div",
      { class: "banner" },
      icon("hand"),
      h("p", null, h("strong", null, trouble.title), " ", trouble.next, " ", since, again),
      trouble.link && outLink(trouble.link.url, trouble.link.label),
      h("button", { type: "button", on: { click: () => poll.now() } }, "Try now"),
    ),
  );
}

/** Describe the page of a trouble that leaves nothing to show. */
export function troublePage(trouble, more) {
  return h(
    "section",
    { class: "empty", key: "trouble" },
    icon("hand"),
    h("h1", null, trouble.title),
    h("p", null, trouble.next),
    h("p", { class: "actions" }, trouble.link && outLink(trouble.link.url, trouble.link.label, { class: "button" }), more),
  );
}
