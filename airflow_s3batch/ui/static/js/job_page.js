/** The page of the jobs of one Dag run, or of one task of it: mostly one. */

import { announce } from "./announce.js";
import { ask } from "./api.js";
import { h, render } from "./dom.js";
import { percent } from "./format.js";
import { freshness, showTrouble, troublePage } from "./freshness.js";
import { jobControl } from "./job_control.js";
import { jobPlan, jobResults } from "./job_facts.js";
import { jobFailures } from "./job_failures.js";
import { jobFigures } from "./job_figures.js";
import { jobHead } from "./job_head.js";
import { Shards } from "./job_shards.js";
import { AIRFLOW, outLink, outerDocument } from "./places.js";
import { Poll } from "./poll.js";
import { RateChart } from "./rate_chart.js";
import { change, listParams, pageLink } from "./route.js";
import { badge, isActive, jobState, taskRank } from "./states.js";
import { humanised, linesOf } from "./text.js";

const KEYS = ["dag_id", "run_id", "task_id", "map_index"];
const TOLD_PARTS = 4;

export class JobPage {
  constructor(wanted, root) {
    this.root = root;
    this.query = Object.fromEntries(KEYS.filter((name) => wanted[name]).map((name) => [name, wanted[name]]));
    if (this.query.map_index === "-1") delete this.query.map_index;
    const index = Number(this.query.map_index ?? NaN);
    this.chart = new RateChart();
    this.shards = new Shards(() => this.#show(), Number.isNaN(index) ? null : index);
    this.told = "";
    this.poll = new Poll(
      () => ask("run", this.query),
      (answer, isNew, now) => this.#take(answer, now),
      (trouble) => this.#fail(trouble),
    );
    document.title = "Job – S3 Batch";
    render(root, h("p", { class: "loading" }, "Loading…"));
    this.poll.now();
  }

  shows(wanted) {
    return KEYS.every((name) => (wanted[name] ?? "") === (this.query[name] ?? "") || (name === "map_index" && wanted[name] === "-1"));
  }

  update(wanted) {
    this.group = wanted.group ?? "";
    if (this.answer) this.#show();
  }

  stop() {
    this.poll.stop();
    this.chart.stop();
    showTrouble(null, this.poll);
  }

  #take(answer, now) {
    this.answer = answer;
    this.now = now;
    this.poll.isLive = answer.jobs.some((job) => isActive(job.state));
    showTrouble(null, this.poll);
    this.#show();
    return this.poll.isLive;
  }

  #fail(trouble) {
    this.poll.isLive = false;
    if (this.answer && trouble.keeps) return showTrouble(trouble, this.poll);
    showTrouble(null, this.poll);
    return render(this.root, this.#back(), troublePage(trouble, h("button", { type: "button", on: { click: () => this.poll.now() } }, "Try again")));
  }

  #show() {
    const { jobs } = this.answer;
    if (!jobs.length) return render(this.root, this.#back(), this.#none());
    const job = jobs.find((one) => one.group === this.group) ?? jobs.toSorted((a, b) => rank(a) - rank(b))[0];
    this.#tell(job);
    return render(
      this.root,
      h("div", { key: "bar", class: "page-bar" }, this.#back(), freshness(() => this.poll)),
      jobs.length > 1 && choices(jobs, job),
      h("article", { key: `job ${job.job_url} ${job.group}`, class: "job-page", "aria-labelledby": "title" }, this.#job(job)),
    );
  }

  #job(job) {
    const figures = jobFigures(job, this.now);
    const failures = jobFailures(job);
    const chart = this.chart.view(job);
    const shards = this.shards.view(job, this.now);
    const [plan, results, control] = [jobPlan(job), jobResults(job), jobControl(job)];
    const hasStarted = Boolean(job.done || chart || failures);
    const side = isActive(job.state) ? [control, results] : [results, control];
    const [main, beside] = hasStarted ? [isActive(job.state) ? [chart, failures, shards] : [failures, chart, shards], [plan[0], side, plan[1]]] : [[plan, shards], side];
    return [
      jobHead(job, this.now),
      hasStarted && figures,
      h("div", { key: "columns", class: "columns" }, h("div", { key: "main", class: "main-column" }, main), h("div", { key: "side", class: "side-column" }, beside)),
    ];
  }

  /** Say to a screen reader what has changed: the state, or a quarter of the way. */
  #tell(job) {
    const state = jobState(job.state);
    const quarter = Math.floor((job.progress ?? 0) * TOLD_PARTS);
    const told = `${job.state} ${quarter}`;
    document.title = `${state.label}${isActive(job.state) && job.progress != null ? ` ${percent(job.progress)}` : ""} – ${humanised(job.operation) || "Job"} – S3 Batch`;
    if (this.told && this.told !== told) announce(`${state.label}, ${percent(job.progress)} done. ${linesOf(job.sentence).join(" ")}`);
    this.told = told;
  }

  #back() {
    const isTab = outerDocument()?.location.pathname.includes("/dags/");
    const link = isTab ? outLink(new URL("plugin/s3-batch", AIRFLOW).href, "All S3 Batch jobs") : pageLink(listParams(), "All S3 Batch jobs");
    return h("nav", { key: "back", "aria-label": "Breadcrumb" }, link);
  }

  #none() {
    const { dag_id: dag, run_id: run, task_id: task } = this.query;
    const what = task ? `The task ${task}` : "This run";
    return h(
      "section",
      { key: "none", class: "empty" },
      h("h1", null, task ? "No S3 Batch job in this task" : "No S3 Batch job in this run"),
      h("p", null, `${what} of ${dag} has no S3 Batch job, or has not started one yet. It shows up here once its manifest is being made.`),
      task && h("p", { class: "actions" }, pageLink({ dag_id: dag, run_id: run }, "All jobs of the run", { class: "button" })),
    );
  }
}

const rank = (job) => taskRank(job.state);

function choices(jobs, chosen) {
  return h(
    "div",
    { key: "choices", class: "states", role: "group", "aria-label": "Jobs of this run" },
    jobs.map((job) =>
      h("button", { key: job.group + job.job_url, type: "button", class: "state-button", "aria-pressed": String(job === chosen), on: { click: () => change({ group: job.group }) } }, badge(jobState(job.state)), h("span", null, job.group || humanised(job.operation) || "job")),
    ),
  );
}
