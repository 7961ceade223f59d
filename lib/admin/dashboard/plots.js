/** Two plots of the last five minutes, by uPlot. Lines differ by dash, not by colour alone. */

import { el, milliseconds, rate, setText } from "./dom.js";

const SECONDS = 300;
const HEIGHT = 180;

const RATE = {
  plot: "rate-plot",
  caption: "rate-caption",
  title: "Requests per second",
  format: rate,
  tick: (value) => exact(value),
  gridAt: () => true,
  scale: { range: (_, __, max) => [0, Math.max(1, (max ?? 0) * 1.1)] },
  series: [
    { name: "requests", label: "all", color: "--line-1", fill: "--line-1-fill", dash: [] },
    { name: "failures", label: "failed", color: "--line-bad", dash: [5, 4] },
  ],
  values: (sample) => [sample.requestsPerSecond, sample.failuresPerSecond],
};

const LATENCY = {
  plot: "latency-plot",
  caption: "latency-caption",
  title: "Latency, to the last byte",
  format: milliseconds,
  tick: (ms) => ms >= 1000 ? `${exact(ms / 1000)} s` : `${exact(ms)} ms`,
  // Logarithmic: one long download must not press everything else into the ground.
  gridAt: (ms) => Math.abs(Math.log10(ms) - Math.round(Math.log10(ms))) < 1e-6,
  scale: { distr: 3, log: 10, range: (_, min, max) => decadesAround(min, max) },
  series: [
    { name: "p50", label: "p50", color: "--line-1", dash: [] },
    { name: "p95", label: "p95", color: "--line-2", dash: [7, 4] },
    { name: "p99", label: "p99", color: "--line-3", dash: [2, 3] },
  ],
  // Nothing was measured in a second without requests: a gap, not a zero.
  values: ({ p50Ms, p95Ms, p99Ms }) => [p50Ms, p95Ms, p99Ms].map((ms) => ms === 0 ? null : ms),
};

export class Plots {
  #samples = [];
  #parts = [RATE, LATENCY].map((kind) => new Part(kind));

  constructor() {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const part of this.#parts) part.draw(this.#samples, true);
    });
  }

  replace(samples) {
    this.#samples = samples.map((sample) => ({ ...sample, second: Date.parse(sample.at) / 1000 }));
    this.#draw();
  }

  push(sample) {
    const last = this.#samples.at(-1);
    if (last !== undefined && sample.second - last.second < 0.5) return;
    this.#samples.push(sample);
    while (this.#samples.length > SECONDS) this.#samples.shift();
    this.#draw();
  }

  #draw() {
    for (const part of this.#parts) part.draw(this.#samples, false);
  }
}

class Part {
  #kind;
  #box;
  #now;
  #plot = null;

  constructor(kind) {
    this.#kind = kind;
    this.#box = document.getElementById(kind.plot);
    this.#now = kind.series.map(() => el("span", { class: "value" }, "–"));
    const legend = kind.series.map(({ label, name }, index) =>
      el("span", { class: `legend ${name}` }, el("i", { "aria-hidden": "true" }), `${label} `, this.#now[index])
    );
    document.getElementById(kind.caption).append(el("b", {}, kind.title), ...legend);
    new ResizeObserver(() => this.#plot?.setSize({ width: this.#box.clientWidth, height: HEIGHT })).observe(this.#box);
  }

  draw(samples, isNew) {
    const { values, format, series, title } = this.#kind;
    const latest = samples.length === 0 ? series.map(() => null) : values(samples.at(-1));
    latest.forEach((value, index) => setText(this.#now[index], value === null ? "–" : format(value)));
    const words = series.map(({ label }, index) =>
      `${label} ${latest[index] === null ? "none" : format(latest[index])}`
    );
    this.#box.setAttribute("aria-label", `${title} over the last five minutes; now: ${words.join(", ")}`);
    const rows = samples.map(values);
    const data = [samples.map(({ second }) => second), ...series.map((_, index) => rows.map((row) => row[index]))];
    if (this.#plot !== null && !isNew) return this.#plot.setData(data);
    this.#plot?.destroy();
    this.#plot = new globalThis.uPlot(this.#options(), data, this.#box);
  }

  #options() {
    const { series, tick, scale, gridAt } = this.#kind;
    const colors = getComputedStyle(document.documentElement);
    const color = (name) => colors.getPropertyValue(name).trim();
    const axis = {
      stroke: color("--muted"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: color("--grid"), width: 1 },
      ticks: { show: false },
    };
    return {
      width: this.#box.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: {
          range: (_, __, max) => {
            const end = max ?? Date.now() / 1000;
            return [end - SECONDS, end];
          },
        },
        y: scale,
      },
      axes: [
        { ...axis, size: 28, space: 50, values: (_, times) => times.map(minuteOf) },
        {
          ...axis,
          size: 62,
          grid: { ...axis.grid, filter: (_, splits) => splits.map((value) => gridAt(value) ? value : null) },
          values: (_, splits) => splits.map((value) => value === 0 ? "0" : labelOf(value, tick)),
        },
      ],
      series: [
        {},
        ...series.map(({ color: name, fill, dash }) => ({
          stroke: color(name),
          width: 1.75,
          dash,
          points: { show: false },
          ...(fill === undefined ? {} : { fill: color(fill) }),
        })),
      ],
    };
  }
}

/** On a logarithmic axis uPlot asks with null for lines that get no label. */
function labelOf(value, tick) {
  return value === null ? null : tick(value);
}

/** Whole powers of ten, two of them at least. */
function decadesAround(min, max) {
  const low = Math.floor(Math.log10(Math.max(min ?? 1, 0.001)));
  const high = Math.ceil(Math.log10(Math.max(max ?? 10, 0.001)));
  return [10 ** low, 10 ** Math.max(high, low + 2)];
}

/** As it is: a grid line at 0.25 must not claim to be at 0.3. */
function exact(value) {
  return value.toLocaleString("en", { maximumFractionDigits: 3 });
}

function minuteOf(second) {
  return new Date(second * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}
