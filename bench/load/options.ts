/** The command line of the bench. */

import { parseArgs } from "node:util";
import { ROOT } from "./bench_process.ts";
import { CONTENDERS } from "./contenders.ts";
import { WORKLOADS } from "./workloads.ts";

export interface Options {
  readonly seconds: number;
  readonly rounds: number;
  readonly connections: number;
  readonly warmup: number;
  /** Names of contenders. */
  readonly only: readonly string[];
  /** Names of workloads. */
  readonly workloads: readonly string[];
  /** A folder; "": print only. */
  readonly output: string;
}

/** @throws {TypeError} Naming what it cannot use. */
export function readOptions(args: readonly string[]): Options {
  const contenders = CONTENDERS.map(({ name }) => name);
  const workloads = WORKLOADS.map(({ name }) => name);
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: "string", default: "2" },
      rounds: { type: "string", default: "3" },
      connections: { type: "string", default: "64" },
      warmup: { type: "string", default: "5" },
      only: { type: "string", default: contenders.join() },
      workloads: { type: "string", default: workloads.join() },
      output: { type: "string", default: `${ROOT}bench/results` },
    },
  });
  return {
    seconds: wholeNumber("seconds", values.seconds, 1),
    rounds: wholeNumber("rounds", values.rounds, 1),
    connections: wholeNumber("connections", values.connections, 1),
    warmup: wholeNumber("warmup", values.warmup, 0),
    only: names("contender", values.only, contenders),
    workloads: names("workload", values.workloads, workloads),
    output: values.output,
  };
}

function wholeNumber(name: string, text: string, low: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < low) {
    throw new TypeError(`Cannot use --${name}: must be a whole number from ${low}, got "${text}"`);
  }
  return value;
}

function names(kind: string, text: string, known: readonly string[]): readonly string[] {
  const wanted = text.split(",");
  const unknown = wanted.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new TypeError(`No ${kind} "${unknown}"; there are ${known.join(", ")}`);
  return wanted;
}
