/** Rate over time as a chart, and the same figures as a table. */

import { h } from "./dom.js";
import { clock, moment, number, rate, tick } from "./format.js";

const ROWS = 60;
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The section with chart and table; the chart library is loaded when there is something to draw. */
export class RateChart {
  constructor() {
    this.chart = null;
    this.history = [];
    this.redraw = () => this.#draw();
    document.addEventListener("theme", this.redraw);
    this.resizing = new ResizeObserver(() => this.chart?.resize());
  }

  view(job) {
    this.history = job.history ?? [];
    if (this.history.length < 2) return null;
    queueMicrotask(this.redraw);
    const hasSlowDowns = this.history.some((point) => point[3]);
    const hasFailures = this.history.some((point) => point[2]);
    return h(
      "section",
      { key: "rate", class: "card", "aria-labelledby": "rate-title" },
      h(
        "div",
        { class: "card-head" },
        h("h2", { id: "rate-title" }, "Rate over time"),
        h("ul", { class: "legend", "aria-hidden": "true" }, h("li", { class: "done" }, "done/s"), hasFailures && h("li", { class: "failed" }, "failed/s"), hasSlowDowns && h("li", { class: "slow" }, "slow-downs")),
      ),
      h("div", { key: "chart", class: "chart", role: "img", "aria-label": this.#words(), mount: (element) => this.#mount(element) }),
      h("details", { key: "table" }, h("summary", null, "The same as a table"), this.#table()),
    );
  }

  stop() {
    document.removeEventListener("theme", this.redraw);
    this.resizing.disconnect();
    this.chart?.dispose();
    this.chart = null;
  }

  #words() {
    const done = this.history.map((point) => point[1]);
    const [first, last] = [this.history[0], this.history.at(-1)];
    return `Objects per second from ${moment(first[0] * 1000)} to ${clock(last[0] * 1000)}: between ${rate(Math.min(...done))} and ${rate(Math.max(...done))}, last ${rate(done.at(-1))}. The table below has all figures.`;
  }

  #table() {
    const step = Math.max(1, Math.ceil(this.history.length / ROWS));
    const shown = this.history.filter((_, index) => index % step === 0).reverse();
    return h(
      "div",
      { class: "table-frame short", role: "region", "aria-label": "Rate over time", tabindex: "0" },
      h(
        "table",
        null,
        h("caption", { class: "unseen" }, "Rate over time, newest first"),
        h("thead", null, h("tr", null, ["Time", "Done/s", "Failed/s", "Slow-downs"].map((label, index) => h("th", { scope: "col", class: index ? "number" : "" }, label)))),
        h("tbody", null, shown.map(([at, done, failed, slow]) => h("tr", { key: at }, h("th", { scope: "row" }, clock(at * 1000)), h("td", { class: "number" }, rate(done)), h("td", { class: "number" }, rate(failed)), h("td", { class: "number" }, number(slow))))),
      ),
    );
  }

  async #mount(element) {
    const { init } = await import("../vendor/echarts/echarts.min.js");
    if (!element.isConnected) return;
    this.chart?.dispose();
    this.chart = init(element, null, { renderer: "canvas" });
    this.resizing.observe(element);
    this.#draw();
  }

  #draw() {
    if (!this.chart || this.history.length < 2) return;
    this.chart.setOption(options(this.history), { notMerge: true });
  }
}

function options(history) {
  const [line, muted, surface, text] = ["--line", "--muted", "--surface", "--text"].map(style);
  const points = (column) => history.map((point) => [point[0] * 1000, point[column]]);
  const most = Math.max(1, ...history.map((point) => point[3] ?? 0));
  const isLong = history.at(-1)[0] - history[0][0] > 36 * 3600;
  const axis = { axisLine: { lineStyle: { color: line } }, axisTick: { show: false }, axisLabel: { color: muted, hideOverlap: true }, splitLine: { lineStyle: { color: line } } };
  return {
    animation: false,
    textStyle: { fontFamily: style("--font") },
    grid: { left: 8, right: 12, top: 14, bottom: 4, containLabel: true },
    tooltip: { trigger: "axis", renderMode: "richText", backgroundColor: surface, borderColor: line, textStyle: { color: text, fontSize: 12 }, formatter: tip },
    xAxis: { ...axis, type: "time", splitLine: { show: false }, axisLabel: { ...axis.axisLabel, formatter: isLong ? (at) => moment(at).slice(5, 16) : (at) => clock(at).slice(0, 5) } },
    yAxis: [
      { ...axis, type: "value", min: 0, splitNumber: 4, axisLabel: { ...axis.axisLabel, formatter: tick } },
      { type: "value", min: 0, max: most * 4, show: false },
    ],
    series: [
      { name: "slow-downs", type: "bar", yAxisIndex: 1, data: points(3), barMaxWidth: 6, itemStyle: { color: style("--warn-mark") } },
      { name: "done", type: "line", data: points(1), showSymbol: false, lineStyle: { width: 2, color: style("--chart") }, itemStyle: { color: style("--chart") }, areaStyle: { color: style("--chart"), opacity: 0.14 } },
      { name: "failed", type: "line", data: points(2), showSymbol: false, lineStyle: { width: 2, type: "dashed", color: style("--bad-mark") }, itemStyle: { color: style("--bad-mark") } },
    ],
  };
}

function tip(entries) {
  const at = entries[0]?.value[0];
  const value = (name) => entries.find((entry) => entry.seriesName === name)?.value[1] ?? 0;
  return `${moment(at)}\n${rate(value("done"))} done\n${rate(value("failed"))} failed\n${number(value("slow-downs"))} slow-downs`;
}
