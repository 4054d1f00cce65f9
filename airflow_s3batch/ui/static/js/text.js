/** Text of others: hidden characters are spelled out, encoded keys decoded as far as they can be. */

const HIDDEN = /[\p{C}\u2028\u2029\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u115f\u1160\u3164\uffa0\u2800\ufe00-\ufe0f\u034f]/gu;

/** Return *text* with characters that don't show, or that change how others show, spelled `\u{202e}`. */
export function visible(text) {
  return String(text).replace(HIDDEN, (mark) => `\\u{${mark.codePointAt(0).toString(16)}}`);
}

/** Return whether `visible` would change *text*. */
export function hasHidden(text) {
  return visible(text) !== String(text);
}

/** Return *url* with its percent-encoding undone; runs of bytes that are not UTF-8 stay encoded. */
export function decoded(url) {
  return String(url).replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      return run;
    }
  });
}

/** Return the lines of a sentence, or of some; what else does not show is spelled out where they are shown. */
export const linesOf = (text) => String(text ?? "").split("\n").filter(Boolean);

/** Return what a job is called: by its operation, if it is known yet. */
export const jobName = (job) => humanised(job.operation) || "S3 Batch job";

/** Return `Put object tagging` for `put_object_tagging`, and `Copy object, then …` for several joined by `+`. */
export function humanised(name) {
  const words = String(name ?? "").replaceAll("_", " ").replaceAll("+", ", then ").trim();
  return words ? words[0].toUpperCase() + words.slice(1) : "";
}
