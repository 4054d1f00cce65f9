/** Failures by code: how many, what the code means, and example keys. */

import { meaning } from "./codes.js";
import { command, copyButton } from "./copy.js";
import { h } from "./dom.js";
import { number, share } from "./format.js";
import { decoded, hasHidden } from "./text.js";

export function jobFailures(job) {
  const codes = job.codes ?? [];
  if (!codes.length) return null;
  const all = codes.reduce((sum, { number: count }) => sum + count, 0);
  const title = job.dry_run ? "What would happen, by code" : "Failures by code";
  return h(
    "section",
    { key: "failures", class: "card", "aria-labelledby": "failures-title" },
    h("h2", { id: "failures-title" }, title),
    h("ul", { class: "codes" }, codes.map((entry) => code(entry, all))),
    command(job, job.dry_run ? "Objects of the dry run" : "Failed objects", "All of them:"),
  );
}

function code({ code: name, number: count, examples }, all) {
  const isFailure = name !== "DryRun";
  return h(
    "li",
    { key: name },
    h(
      "div",
      { class: "code-line" },
      h("strong", { class: "code" }, name),
      h("span", { class: "bar thin", "aria-hidden": "true" }, h("span", { class: isFailure ? "bar-failed" : "bar-done", style: { "--part": `${(100 * count) / all}%` } })),
      h("span", { class: "number" }, h("strong", null, number(count)), ` (${share(count / all)})`),
    ),
    meaning(name) && h("p", { class: "meaning" }, meaning(name)),
    examples?.length > 0 && h("ul", { class: "keys", "aria-label": `Examples of ${name}` }, examples.map((url, index) => example(url, index))),
  );
}

/** What is copied holds no control character: a key with one is copied as it came, percent-encoded. */
function example(url, index) {
  const plain = decoded(url);
  return h("li", { key: `${index} ${url}` }, h("code", { class: "key", dir: "ltr" }, plain), copyButton(hasHidden(plain) ? url : plain, hasHidden(plain) ? "the key, percent-encoded" : "the key"));
}
