/** The table of shards: one mapped task instance each, those that need attention first. */

import { h } from "./dom.js";
import { ago, duration, moment, number, plural, rate } from "./format.js";
import { icon } from "./icons.js";
import { outLink } from "./places.js";
import { progressBar } from "./progress.js";
import { badge, taskRank, taskState } from "./states.js";

const AT_WORK = new Set(["running", "deferred"]);
const HAS_RUN = new Set(["running", "deferred", "failed", "success", "up_for_retry"]);
const FEW = 25;
const MORE = 200;
const SORTS = {
  state: (shard) => taskRank(shard.state),
  shard: (shard) => shard.shard ?? shard.map_index,
  progress: (shard) => -part(shard),
  failed: (shard) => -(shard.failed ?? 0),
  rate: (shard) => -(shard.rate ?? 0),
};
const COLUMNS = [
  ["Shard", "shard"],
  ["State", "state"],
  ["Log", ""],
  ["Progress", "progress"],
  ["Failed", "failed", "number"],
  ["Rate", "rate", "number"],
  ["Last heard of", "", "number"],
];

/** What the label says before the number of objects, which the table has anyway. */
export const shortLabel = (shard) => (shard.label ?? "").split(" · ")[0] || `shard ${shard.shard ?? shard.map_index}`;

/** A mapped task that is not expanded has one instance that never runs. */
const isThere = (shard) => shard.rows != null || shard.map_index >= 0 || HAS_RUN.has(shard.state);

const part = (shard) => (shard.rows ? (shard.done ?? 0) / shard.rows : 0);

/** The table keeps its order, filter and length over updates; *redraw* shows it anew. */
export class Shards {
  constructor(redraw, ownIndex) {
    Object.assign(this, { redraw, ownIndex, sort: "state", isReversed: false, state: "", most: FEW });
  }

  view(job, now) {
    const all = (job.shard_list ?? []).filter(isThere);
    if (!all.length) return null;
    const chosen = this.#sorted(all.filter((shard) => !this.state || (shard.state || "none") === this.state));
    return h(
      "section",
      { key: "shards", class: "card", "aria-labelledby": "shards-title" },
      h("div", { class: "card-head" }, h("h2", { id: "shards-title" }, job.engine === "managed" ? "Tasks" : "Shards", h("span", { class: "count" }, number(all.length))), this.#states(all)),
      h(
        "div",
        { class: "table-frame", role: "region", "aria-label": "Shards", tabindex: "0" },
        h(
          "table",
          { class: "shards cards", role: "table" },
          h("caption", { class: "unseen" }, "Shards of the job; the headers sort"),
          h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, COLUMNS.map((column) => this.#header(...column)))),
          h("tbody", { role: "rowgroup" }, chosen.slice(0, this.most).map((shard) => this.#row(shard, now))),
        ),
      ),
      job.shards_left_out && h("p", { key: "cut", class: "notice" }, "There are more shards than are shown here; Airflow’s own page of the task lists all of them."),
      chosen.length > this.most && h("p", { class: "more" }, h("button", { type: "button", on: { click: () => this.#set({ most: this.most + MORE }) } }, `Show ${number(Math.min(MORE, chosen.length - this.most))} more of ${number(chosen.length)}`)),
    );
  }

  #sorted(shards) {
    const value = SORTS[this.sort];
    const sign = this.isReversed ? -1 : 1;
    return shards.sort((a, b) => sign * (value(a) - value(b)) || b.failed - a.failed || a.shard - b.shard);
  }

  #set(changes) {
    Object.assign(this, changes);
    this.redraw();
  }

  #states(all) {
    const counts = new Map();
    for (const shard of all) counts.set(shard.state || "none", (counts.get(shard.state || "none") ?? 0) + 1);
    const names = [...counts.keys()].sort((a, b) => taskRank(a) - taskRank(b));
    if (names.length < 2 && !this.state) return null;
    return h(
      "div",
      { class: "states small", role: "group", "aria-label": "Shards by state" },
      names.map((name) => {
        const state = taskState(name);
        const press = () => this.#set({ state: this.state === name ? "" : name, most: FEW });
        return h("button", { key: name, type: "button", class: `state-button ${state.tone}`, "aria-pressed": String(this.state === name), on: { click: press } }, icon(state.icon), h("span", null, state.label), h("strong", null, number(counts.get(name))));
      }),
    );
  }

  #header(label, sort, kind = "") {
    if (!sort) return h("th", { key: label, scope: "col", role: "columnheader", class: kind }, label);
    const isSorted = this.sort === sort;
    const isDown = (sort === "shard" || sort === "state") === this.isReversed;
    const press = () => this.#set(isSorted ? { isReversed: !this.isReversed } : { sort, isReversed: false });
    return h(
      "th",
      { key: label, scope: "col", role: "columnheader", class: kind, "aria-sort": isSorted ? (isDown ? "descending" : "ascending") : "none" },
      h("button", { type: "button", class: "sort", on: { click: press } }, label, icon(isSorted ? (isDown ? "down" : "up") : "sort")),
    );
  }

  #row(shard, now) {
    const isOwn = shard.map_index === this.ownIndex;
    const state = taskState(shard.told === "paused" && AT_WORK.has(shard.state) ? "paused" : shard.state);
    const name = shortLabel(shard);
    const cell = (label, content, kind = "") => h("td", { role: "cell", class: kind, "data-label": label }, content);
    return h(
      "tr",
      { key: `${shard.task_id} ${shard.map_index}`, role: "row", class: `${state.tone} ${isOwn ? "own" : ""}`, "aria-current": isOwn ? "true" : null },
      h("th", { scope: "row", role: "rowheader" }, h("bdi", { title: shard.label || null }, name), isOwn && h("span", { class: "tag" }, "this task"), shard.try_number > 1 && h("span", { class: "muted under" }, `try ${shard.try_number}`)),
      cell("State", badge(state)),
      cell("Log", shard.log_url ? outLink(shard.log_url, ["Log", h("span", { class: "unseen" }, ` of ${name}`)]) : "–"),
      cell("Progress", h("div", { class: "progress-cell" }, progressBar(shard, `Progress of ${name}`), h("span", { class: "figures-line" }, shard.rows == null ? "–" : `${number(shard.done ?? 0)} of ${number(shard.rows)}`), shard.sentence && h("span", { class: "why" }, shard.sentence))),
      cell("Failed", shard.failed ? h("span", { class: "failures" }, icon("cross"), number(shard.failed)) : number(shard.failed ?? 0), "number"),
      cell("Rate", [rate(shard.rate), shard.slow_downs > 0 && h("span", { class: "muted under" }, plural(shard.slow_downs, "slow-down"))], "number"),
      cell("Last heard of", heard(shard, now), "number"),
    );
  }
}

function heard(shard, now) {
  if (!shard.updated) return "–";
  const spent = (Date.parse(shard.updated) - Date.parse(shard.started ?? "")) / 1000;
  return h("time", { datetime: shard.updated, title: `${moment(shard.updated)}${Number.isNaN(spent) ? "" : `, ${duration(spent)} after its start`}` }, ago(shard.updated, now));
}
