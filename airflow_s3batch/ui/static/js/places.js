/** Where this page, Airflow and the outside world are; which links are followed, and how out of Airflow's frame. */

import { h } from "./dom.js";
import { icon } from "./icons.js";

/** The plugin's prefix, below whatever path Airflow is served at. */
export const PREFIX = new URL("../../", import.meta.url);
/** Airflow's own start page. */
export const AIRFLOW = new URL("../", PREFIX);

const CONSOLES = ["console.aws.amazon.com", "console.amazonaws.cn", "console.amazonaws-us-gov.com"];

/** Return the document of Airflow around this page; null if there is none. */
export function outerDocument() {
  try {
    return window.parent === window ? null : window.parent.document;
  } catch {
    return null;
  }
}

/** Return *url* resolved if it may be a link (http(s), Airflow itself or an AWS console), else null. */
export function safeUrl(url) {
  let target;
  try {
    target = new URL(String(url), PREFIX);
  } catch {
    return null;
  }
  if (target.username || target.password || !["http:", "https:"].includes(target.protocol)) return null;
  if (target.origin === location.origin) return target;
  const isConsole = CONSOLES.some((host) => target.hostname === host || target.hostname.endsWith(`.${host}`));
  return isConsole && target.protocol === "https:" ? target : null;
}

/** Describe a link to a page of Airflow or of an AWS console; plain text where *url* is not one. */
export function outLink(url, text, props = {}) {
  const target = safeUrl(url);
  if (!target) return h("span", { class: props.class }, text);
  const isElsewhere = target.origin !== location.origin;
  return h(
    "a",
    {
      ...props,
      href: target.href,
      rel: isElsewhere ? "noopener noreferrer" : null,
      target: isElsewhere ? "_blank" : null,
      on: { click: (event) => follow(event, target, isElsewhere), auxclick: (event) => follow(event, target, true) },
    },
    text,
    isElsewhere && [icon("out"), h("span", { class: "unseen" }, " (opens in a new tab)")],
  );
}

/** Airflow's frame lets this page open nothing outside of itself, so Airflow's own document follows the link. */
function follow(event, target, isElsewhere) {
  const outer = outerDocument();
  if (!outer || (event.type === "auxclick" && event.button !== 1)) return;
  event.preventDefault();
  const link = outer.createElement("a");
  link.href = target.href;
  link.rel = "noopener noreferrer";
  if (isElsewhere || event.ctrlKey || event.metaKey || event.shiftKey) link.target = "_blank";
  outer.body.append(link);
  link.click();
  link.remove();
}
