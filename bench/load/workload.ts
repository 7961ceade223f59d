/** What is measured: one workload each, in `workloads/`, the same for every contender. */

import type { Backend } from "./backend.ts";
import type { Contender, Setup } from "./contender.ts";
import type { Generators } from "./generator.ts";
import { ProxyProcess } from "./proxy_process.ts";

export interface Workload {
  /** For headings and `--workloads`. */
  readonly name: string;
  /** For the report: one sentence. */
  readonly title: string;
  /** What it measures, the most important first. Of the first one less is better. */
  readonly columns: readonly Column[];
  /** @returns Those of `all` that can do it, or others in place of them. */
  contenders(all: readonly Contender[]): readonly Contender[];
  /** @returns Why it cannot be measured here, or "". */
  missing(generators: Generators): string;
  /**
   * One measurement with a fresh process.
   *
   * @returns A number for every column. NaN: cannot be told here.
   * @throws {Error} What voids the measurement: a wrong answer, a failed request.
   */
  measure(contender: Contender, stage: Stage): Promise<Values>;
}

export interface Column {
  readonly key: string;
  readonly label: string;
  readonly digits: number;
}

/** By keys of columns. */
export type Values = Readonly<Record<string, number>>;

export interface Stage {
  readonly backend: Backend;
  readonly generators: Generators;
  /** Seconds of load in each measurement. */
  readonly seconds: number;
  /** Seconds of load before it, for compilers and pools to settle; not counted. */
  readonly warmup: number;
  readonly connections: number;
}

export const COLUMNS = {
  cpuPerRequest: { key: "cpuMicrosPerRequest", label: "CPU µs / request", digits: 1 },
  cpuPerMiB: { key: "cpuMicrosPerMiB", label: "CPU µs / MiB", digits: 0 },
  requestsPerSecond: { key: "requestsPerSecond", label: "requests / s", digits: 0 },
  mibPerSecond: { key: "mibPerSecond", label: "MiB / s", digits: 0 },
  p50: { key: "p50Ms", label: "p50 ms", digits: 2 },
  p95: { key: "p95Ms", label: "p95 ms", digits: 2 },
  p99: { key: "p99Ms", label: "p99 ms", digits: 2 },
  peakMiB: { key: "peakMiB", label: "peak MiB", digits: 1 },
  backendConnections: { key: "backendConnections", label: "backend connections", digits: 0 },
} as const satisfies Record<string, Column>;

export const MIB = 1024 * 1024;

/** Keeps as many connections to the backend as the load can use. */
export function startProxy(contender: Contender, stage: Stage, setup: Partial<Setup> = {}): Promise<ProxyProcess> {
  const { addresses, certificates } = stage.backend;
  const upstream = setup.upstream ?? "http";
  return ProxyProcess.start(contender, {
    downstream: "http",
    upstream,
    backend: addresses[upstream],
    certificates,
    connections: Math.max(64, stage.connections),
    generation: 0,
    ...setup,
  });
}
