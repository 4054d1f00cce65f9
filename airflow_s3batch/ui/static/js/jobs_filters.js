/** What narrows the list: a button for each state with its number, a search, and choices. */

import { h } from "./dom.js";
import { number } from "./format.js";
import { icon } from "./icons.js";
import { change } from "./route.js";
import { JOB_STATES } from "./states.js";
import { humanised } from "./text.js";

const TYPING_MS = 350;
const NARROWING = ["state", "dag_id", "operation", "engine", "q"];
const DAYS = { 1: "Last 24 hours", 7: "Last 7 days", 30: "Last 30 days", 90: "Last 90 days", 365: "Last 365 days" };
let typing = 0;

/** Whether *query* asks for less than all jobs of its days. */
export function isFiltered(query) {
  return NARROWING.some((name) => query[name]);
}

/** Describe a button for each state that some job is in; pressing the pressed one shows all again. */
export function stateButtons(query, answer) {
  const counts = answer?.states ?? {};
  const shown = Object.entries(JOB_STATES).filter(([name]) => counts[name] || query.state === name);
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return h(
    "div",
    { class: "states", role: "group", "aria-label": "Jobs by state" },
    stateButton("", { label: "All", tone: "idle", icon: "list" }, all, query),
    shown.map(([name, state]) => stateButton(name, state, counts[name] ?? 0, query)),
  );
}

function stateButton(name, state, count, query) {
  const isChosen = (query.state ?? "") === name;
  return h(
    "button",
    {
      key: `state-${name}`,
      type: "button",
      class: `state-button ${state.tone}`,
      "aria-pressed": String(isChosen),
      on: { click: () => change({ state: isChosen ? "" : name, page: "" }) },
    },
    icon(state.icon),
    h("span", null, state.label),
    h("strong", null, number(count)),
  );
}

/** Describe search and choices; *known*: operations and Dags that were seen so far. */
export function filters(query, known) {
  const dags = [...new Set([...known.dag_id, query.dag_id].filter(Boolean))].sort();
  const operations = [...new Set([...known.operation, query.operation].filter(Boolean))].sort();
  return h(
    "form",
    { class: "filters", role: "search", "aria-label": "Filter jobs", on: { submit: (event) => event.preventDefault() } },
    h("label", { class: "search" }, h("span", { class: "unseen" }, "Search"), icon("search"), searchBox(query)),
    choice("Dag", "dag_id", query.dag_id ?? "", { "": "Any Dag", ...Object.fromEntries(dags.map((name) => [name, name])) }),
    choice("Operation", "operation", query.operation ?? "", { "": "Any operation", ...Object.fromEntries(operations.map((name) => [name, humanised(name)])) }),
    choice("Engine", "engine", query.engine ?? "", { "": "Any engine", worker: "Airflow workers", managed: "AWS (managed)" }),
    choice("Time", "days", query.days, { ...DAYS, ...(DAYS[query.days] ? {} : { [query.days]: `Last ${query.days} days` }) }),
  );
}

function searchBox(query) {
  return h("input", {
    type: "search",
    name: "q",
    placeholder: "Dag, run, operation, job URL …",
    autocomplete: "off",
    spellcheck: "false",
    props: typing ? {} : { value: query.q ?? "" },
    on: { input: type, search: type },
  });
}

function type(event) {
  const text = event.target.value;
  clearTimeout(typing);
  typing = setTimeout(() => {
    typing = 0;
    change({ q: text.trim(), page: "" }, { isStep: false });
  }, TYPING_MS);
}

function choice(label, name, value, options) {
  return h(
    "label",
    { class: "choice", key: name },
    h("span", { class: "unseen" }, label),
    h(
      "select",
      { name, on: { change: (event) => change({ [name]: event.target.value, page: "" }) } },
      Object.entries(options).map(([option, text]) => h("option", { key: option, value: option, props: { selected: option === value } }, text)),
    ),
  );
}
