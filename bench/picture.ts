/**
 * The picture of a run: `deno run -A bench/picture.ts RESULTS.json [--workload small] [--output docs/benchmark.svg]`.
 *
 * Bars of the first column, for light and dark pages alike, written by hand: no chart library, no script, no font.
 */

import { parseArgs } from "node:util";
import { rowsOf } from "./load/report.ts";
import type { Results } from "./load/results.ts";

const WIDTH = 760;
const LABELS_END = 190;
const BARS_END = WIDTH - 70;
const TOP = 64;
const ROW = 30;
const BAR = 18;
const FOOT = 34;

/** Colours of light pages and of dark ones, both readable on what GitHub shows behind them. */
const STYLE = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .note { font-size: 11px; fill: #59636e }
  .value { font-variant-numeric: tabular-nums }
  .ours { font-weight: 600 }
  rect { fill: #afb8c1 }
  rect.ours { fill: #0969da }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .note { fill: #9198a1 }
    rect { fill: #57606a }
    rect.ours { fill: #4493f8 }
  }`;

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      workload: { type: "string", default: "small" },
      output: { type: "string", default: new URL("../docs/benchmark.svg", import.meta.url).pathname },
    },
  });
  if (positionals.length !== 1) throw new TypeError("Name one file of bench/results/, ending in .json");
  const results: Results = JSON.parse(Deno.readTextFileSync(positionals[0]));
  Deno.writeTextFileSync(values.output, picture(results, values.workload));
  console.error(`written: ${values.output}`);
}

/** @returns An SVG document. @throws {RangeError} When the workload was not measured. */
export function picture({ conditions, workloads }: Results, workload: string): string {
  const results = workloads.find(({ name }) => name === workload);
  const rows = results === undefined ? [] : rowsOf(results);
  if (results === undefined || rows.length === 0) throw new RangeError(`No results of the workload "${workload}"`);
  const [{ label, digits }] = results.columns;
  const largest = Math.max(...rows.map(({ medians }) => medians[0]));
  const height = TOP + rows.length * ROW + FOOT;
  const bars = rows.map(({ contender, medians: [value] }, at) => {
    const y = TOP + at * ROW;
    const width = Math.max(1, (BARS_END - LABELS_END) * value / largest);
    const ours = contender.startsWith("sluice") ? " ours" : "";
    const baseline = y + BAR / 2 + 5;
    return [
      text(LABELS_END - 10, baseline, contender, `label${ours}`, "end"),
      `<rect class="bar${ours}" x="${LABELS_END}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="3"/>`,
      text(LABELS_END + width + 8, baseline, value.toFixed(digits), `value${ours}`),
    ].join("\n");
  });
  const { date, commit, machine } = conditions;
  const summary = rows.map(({ contender, medians: [value] }) => `${contender} ${value.toFixed(digits)}`).join(", ");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" \
role="img" aria-labelledby="title description">
<title id="title">${escaped(`${label}: ${results.title}`)}</title>
<desc id="description">${escaped(summary)}</desc>
<style>${STYLE}
</style>
${text(16, 26, `${label}, less is better`, "title")}
${text(16, 46, results.title, "note")}
${bars.join("\n")}
${text(16, height - 12, `${date}, ${commit}; ${machine}`, "note")}
</svg>
`;
}

function text(x: number, y: number, content: string, className: string, anchor = "start"): string {
  const at = `x="${x.toFixed(1)}" y="${y.toFixed(1)}"`;
  return `<text class="${className}" ${at} text-anchor="${anchor}">${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
