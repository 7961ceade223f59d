/** From samples to a report: medians with the raw values beside them, ratios, and what was not in our hands. */

import type { LoadResult } from "./generator.ts";

export interface Sample extends LoadResult {
  readonly contender: string;
  /** From 1. */
  readonly round: number;
  /** Of the proxy's processes, for each request. */
  readonly cpuMicrosPerRequest: number;
}

export interface Conditions {
  readonly commit: string;
  readonly date: string;
  readonly command: string;
  readonly machine: string;
  readonly loadAverage: string;
  readonly backend: string;
  readonly generator: string;
  /** Contender → version. */
  readonly versions: ReadonlyMap<string, string>;
  readonly skipped: readonly string[];
}

/** Contenders that the others are compared with. */
const BASELINES = ["nginx", "fetch-proxy"];

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("Cannot take the median of nothing");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The tables, as Markdown. */
export function resultTables(samples: readonly Sample[]): string {
  const names = [...new Set(samples.map(({ contender }) => contender))].sort();
  const baselines = BASELINES.filter((name) => names.includes(name));
  const cpu = new Map(names.map((name) => [name, median(column(samples, name, "cpuMicrosPerRequest"))]));
  const header = [
    "contender",
    "CPU µs / request",
    ...baselines.map((name) => `CPU ÷ ${name}`),
    "requests / s",
    "p50 ms",
  ];
  const rows = names.map((name) => [
    name,
    cpu.get(name)!.toFixed(1),
    ...baselines.map((baseline) => `${(cpu.get(name)! / cpu.get(baseline)!).toFixed(2)}`),
    median(column(samples, name, "requestsPerSecond")).toFixed(0),
    median(column(samples, name, "p50Ms")).toFixed(2),
  ]);
  const raw = names.map((name) => [
    name,
    column(samples, name, "cpuMicrosPerRequest").map((value) => value.toFixed(1)).join(" "),
    column(samples, name, "requestsPerSecond").map((value) => value.toFixed(0)).join(" "),
    column(samples, name, "p99Ms").map((value) => value.toFixed(1)).join(" "),
  ]);
  return [
    "Medians; CPU is user and system time of the proxy's processes alone. Less is better.\n",
    table(header, rows),
    "\nRaw values, in order of the rounds:\n",
    table(["contender", "CPU µs / request", "requests / s", "p99 ms"], raw),
  ].join("\n");
}

/** The whole file for bench/results. */
export function reportText(samples: readonly Sample[], conditions: Conditions): string {
  const { versions, skipped } = conditions;
  return `# Load bench, ${conditions.date}, ${conditions.commit}

    ${conditions.command}

- machine: ${conditions.machine}
- load average before: ${conditions.loadAverage}
- backend: ${conditions.backend}, 66-byte body
- load: ${conditions.generator}
${[...versions].map(([name, version]) => `- ${name}: ${version}`).join("\n")}
${skipped.length === 0 ? "" : `- not installed, left out: ${skipped.join(", ")}\n`}
${resultTables(samples)}

Not controlled: load, proxy and backend share the cores and nothing is pinned, so requests per second is a property of
the three together; CPU frequency; neighbours on the machine. CPU time is counted by the kernel in steps of 10 ms.
Requests are GET without a body, over loopback, plain HTTP/1.1, all alike.
`;
}

function column(samples: readonly Sample[], name: string, key: keyof Sample): number[] {
  return samples.filter(({ contender }) => contender === name).map((sample) => Number(sample[key]));
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = header.map((_, index) => (index === 0 ? "---" : "---:"));
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}
