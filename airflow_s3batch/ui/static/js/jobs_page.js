/** The page of all jobs: filters, table, pages; all of it in the address. */

import { announce } from "./announce.js";
import { ask } from "./api.js";
import { h, render } from "./dom.js";
import { plural } from "./format.js";
import { freshness, showTrouble, troublePage } from "./freshness.js";
import { filters, isFiltered, stateButtons } from "./jobs_filters.js";
import { jobsTable, paging } from "./jobs_table.js";
import { Poll } from "./poll.js";
import { change, keepList, pageLink } from "./route.js";
import { isActive } from "./states.js";

const FAST_MS = 8_000;
const QUERY = ["state", "dag_id", "operation", "engine", "q", "days", "sort", "page", "size"];
const DEFAULTS = { days: "30", sort: "-started", page: "1", size: "25" };

export class JobsPage {
  constructor(wanted, root) {
    this.root = root;
    this.answer = null;
    this.asked = "";
    this.known = { operation: new Set(), dag_id: new Set() };
    this.poll = new Poll(
      () => ask("jobs", this.query),
      (answer, isNew, now) => this.#take(answer, isNew, now),
      (trouble) => this.#fail(trouble),
      FAST_MS,
    );
    document.title = "Jobs – S3 Batch";
  }

  shows(wanted) {
    return !(wanted.dag_id && wanted.run_id);
  }

  update(wanted) {
    const given = Object.fromEntries(QUERY.filter((name) => wanted[name]).map((name) => [name, wanted[name]]));
    this.query = { ...DEFAULTS, ...given };
    keepList();
    const asked = JSON.stringify(this.query);
    if (asked === this.asked) return;
    this.asked = asked;
    this.isWaiting = true;
    this.#show();
    this.poll.now();
  }

  stop() {
    this.poll.stop();
    showTrouble(null, this.poll);
  }

  #take(answer, isNew, now) {
    const isFirst = this.isWaiting;
    this.answer = answer;
    this.now = now;
    this.isWaiting = false;
    for (const job of answer.jobs) {
      if (job.operation) this.known.operation.add(job.operation);
    }
    this.known.dag_id = new Set(answer.dag_ids ?? []);
    this.poll.isLive = Object.entries(answer.states ?? {}).some(([state, count]) => count && isActive(state));
    showTrouble(null, this.poll);
    this.#show();
    if (isFirst) announce(`${plural(answer.total, "job")}`);
    return this.poll.isLive;
  }

  #fail(trouble) {
    this.isWaiting = false;
    this.poll.isLive = false;
    if (this.answer && trouble.keeps) return showTrouble(trouble, this.poll);
    this.answer = null;
    showTrouble(null, this.poll);
    const again = h("button", { type: "button", on: { click: () => this.poll.now() } }, "Try again");
    return render(this.root, troublePage(trouble, [again, !trouble.isFinal && pageLink({}, "All jobs, unfiltered", { class: "button" })]));
  }

  #show() {
    const { answer, query } = this;
    render(
      this.root,
      h("header", { key: "head", class: "page-head" }, h("h1", null, "S3 Batch jobs"), freshness(() => this.poll)),
      h("div", { key: "states" }, stateButtons(query, answer)),
      h("div", { key: "filters" }, filters(query, this.known)),
      answer?.truncated && h("p", { key: "cut", class: "notice" }, "There are more runs than are looked through at once: choose a Dag or fewer days to see the older ones."),
      h("div", { key: "table", class: "results", "aria-busy": this.isWaiting ? "true" : null }, this.#results()),
    );
  }

  #results() {
    const { answer, query } = this;
    if (!answer) return h("p", { class: "loading" }, "Loading…");
    if (!answer.jobs.length) return nothing(query);
    return [jobsTable(answer.jobs, query, this.now), paging(answer, query)];
  }
}

function nothing(query) {
  if (isFiltered(query)) {
    return h(
      "section",
      { key: "nothing", class: "empty" },
      h("h2", null, "No job matches"),
      h("p", null, "None of the jobs that you may see has what is asked for."),
      h("p", { class: "actions" }, h("button", { type: "button", on: { click: reset } }, "Reset the filters")),
    );
  }
  const isLongest = Number(query.days) >= 365;
  return h(
    "section",
    { key: "nothing", class: "empty" },
    h("h2", null, `No job in the last ${query.days} days`),
    h("p", null, "A Dag with s3_batch_job(…) shows up here as soon as a run of it starts. You see the Dags that your account may read."),
    !isLongest && h("p", { class: "actions" }, h("button", { type: "button", on: { click: () => change({ days: "365", page: "" }) } }, "Look back a year")),
  );
}

function reset() {
  change({ state: "", dag_id: "", operation: "", engine: "", q: "", page: "" });
}
