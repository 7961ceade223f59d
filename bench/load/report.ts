/** From results to a report: medians with the raw values beside them, ratios, and what was not in our hands. */

import type { Results, Sample, WorkloadResults } from "./results.ts";
import { median } from "./statistics.ts";
import type { Column } from "./workload.ts";

/** Contenders that the others are compared with, where the first column counts CPU. */
const BASELINES = ["nginx", "fetch-proxy"];
/** Characters that are shown of what was wrong. */
const FAULT_SHOWN = 400;

/** The whole file for bench/results. */
export function reportText({ conditions, workloads }: Results): string {
  const { versions, skipped, generators } = conditions;
  return `# Load bench, ${conditions.date}, ${conditions.commit}

    ${conditions.command}

- machine: ${conditions.machine}
- load average before: ${conditions.loadAverage}
- backend: ${conditions.backend}
- load: ${generators.join("; ")}
${list(versions)}${list(skipped, "left out, ")}
Medians over the rounds; CPU is user and system time of all processes and threads of the proxy, and of nothing else.
Contenders are in order of the first column; less is better there. A measurement in which one request failed, was not
answered with 2xx, or was answered with a short body is void, and so is the contender's row.

${workloads.map(workloadText).join("\n")}
## What could not be controlled

Load, proxy and backend share the cores and nothing is pinned, so requests per second and latencies are properties of
the three together; so are CPU frequency and the neighbours on the machine. CPU time is counted in steps of 10 ms.
Connections are opened within the measured time, over TLS with their handshakes. All is over loopback. Memory of several
processes is added up, shared pages and all. "backend connections" are those opened during the measurement.
`;
}

/** One section. */
export function workloadText(results: WorkloadResults): string {
  const { name, title, missing, columns } = results;
  const heading = `## ${name}\n\n${title}\n`;
  if (missing !== "") return `${heading}\nNot measured: ${missing}.\n`;
  const rows = rowsOf(results);
  const voided = voids(results);
  const raw = rows.map(({ contender, samples }) => [contender, ...columns.map((column) => rawText(samples, column))]);
  return [
    heading,
    table(["contender", ...header(rows, columns)], rows.map((row) => [row.contender, ...cells(row, rows, columns)])),
    "",
    ...(voided.length === 0 ? [] : [...voided.map((line) => `- void: ${line}`), ""]),
    "Raw values, in order of the rounds:\n",
    table(["contender", ...columns.map(({ label }) => label)], raw),
    "",
  ].join("\n");
}

export interface Row {
  readonly contender: string;
  readonly samples: readonly Sample[];
  /** In order of the columns. */
  readonly medians: readonly number[];
}

/** The rows of the contenders none of whose measurements is void, best first. */
export function rowsOf({ samples, columns }: Pick<WorkloadResults, "samples" | "columns">): Row[] {
  const names = [...new Set(samples.map(({ contender }) => contender))];
  return names
    .map((contender) => ({ contender, samples: samples.filter((sample) => sample.contender === contender) }))
    .filter((row) => row.samples.every(({ fault }) => fault === ""))
    .map((row) => ({ ...row, medians: columns.map(({ key }) => median(row.samples.map(({ values }) => values[key]))) }))
    .sort((a, b) => a.medians[0] - b.medians[0]);
}

function voids({ samples }: WorkloadResults): string[] {
  return samples.filter(({ fault }) => fault !== "")
    .map(({ contender, round, fault }) =>
      `${contender}, round ${round}: ${fault.replace(/\s+/g, " ").slice(0, FAULT_SHOWN)}`
    );
}

function header(rows: readonly Row[], columns: readonly Column[]): string[] {
  const [first, ...rest] = columns.map(({ label }) => label);
  return [first, ...baselines(rows, columns).map(({ contender }) => `÷ ${contender}`), ...rest];
}

function cells({ medians }: Row, rows: readonly Row[], columns: readonly Column[]): string[] {
  const ratios = baselines(rows, columns).map((row) => (medians[0] / row.medians[0]).toFixed(2));
  const [first, ...rest] = medians.map((value, at) => valueText(value, columns[at]));
  return [first, ...ratios, ...rest];
}

function baselines(rows: readonly Row[], columns: readonly Column[]): Row[] {
  if (!columns[0].key.startsWith("cpu")) return [];
  return BASELINES.flatMap((name) => rows.filter(({ contender }) => contender === name));
}

function rawText(samples: readonly Sample[], column: Column): string {
  return samples.map(({ values }) => valueText(values[column.key], column)).join(" ");
}

function valueText(value: number, { digits }: Column): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}

function list(entries: Readonly<Record<string, string>>, prefix = ""): string {
  return Object.entries(entries).map(([name, text]) => `- ${prefix}${name}: ${text}\n`).join("");
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = header.map((_, index) => (index === 0 ? "---" : "---:"));
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}
