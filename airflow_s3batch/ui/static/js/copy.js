/** Buttons that copy a text. */

import { announce } from "./announce.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";

const SHOWN_MS = 2_000;

/** Describe a button that copies *text*; *what* says to a screen reader what that is. */
export function copyButton(text, what) {
  return h(
    "button",
    { type: "button", class: "copy", title: `Copy ${what}`, "aria-label": `Copy ${what}`, on: { click: (event) => copy(event, text, what) } },
    icon("copy"),
  );
}

/** Describe the job's command *label*, with *words* before it; nothing if there is no such command. */
export function command(job, label, words) {
  const found = (job.commands ?? []).find((one) => one.label === label);
  return found ? h("div", { key: `command-${label}`, class: "with-command" }, h("span", null, words), commandLine(found.command, `the command: ${label}`)) : null;
}

/** Describe a line to be copied. */
export function commandLine(text, what, shown = text) {
  return h("div", { class: "command" }, h("code", { dir: "ltr" }, shown), copyButton(text, what));
}

async function copy(event, text, what) {
  const button = event.currentTarget ?? event.target.closest("button");
  const isDone = await write(text);
  announce(isDone ? `Copied ${what}` : `The browser does not let this page copy. Select the text instead.`);
  button.classList.toggle("done", isDone);
  setTimeout(() => button.classList.remove("done"), SHOWN_MS);
}

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeBySelection(text);
  }
}

/** Without HTTPS there is no clipboard API. */
function writeBySelection(text) {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  focused?.focus({ preventScroll: true });
  return isDone;
}
