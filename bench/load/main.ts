/**
 * The load bench: `deno run -A bench/load/main.ts [--seconds 4] [--rounds 3] [--connections 64]`.
 *
 * Every contender is proved correct, then measured in a fresh process each round, the order rotated and turned round
 * from one to the next, so that none always runs first or always after the same one. See bench/README.md.
 */

import { parseArgs } from "node:util";
import { type Backend, startBackend } from "./backend.ts";
import { programVersion, ROOT, stopAll } from "./bench_process.ts";
import type { Contender } from "./contender.ts";
import { fetchProxy } from "./contenders/fetch_proxy.ts";
import { nginx } from "./contenders/nginx.ts";
import { sluiceServe, sluiceWire } from "./contenders/sluice.ts";
import { chooseGenerator, type Generator } from "./generator.ts";
import { proveCorrect } from "./proof.ts";
import { type Conditions, reportText, resultTables, type Sample } from "./report.ts";

const CONTENDERS: readonly Contender[] = [nginx, sluiceServe, sluiceWire, fetchProxy];

interface Options {
  readonly seconds: number;
  readonly rounds: number;
  readonly connections: number;
  /** Load before each measurement, for compilers and pools to settle; not counted. */
  readonly warmup: number;
  readonly only: readonly string[];
  /** "": print only. */
  readonly output: string;
}

if (import.meta.main) {
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => stopAndExit());
  await main();
  Deno.exit(0); // the signal listeners would keep it alive
}

async function main(): Promise<void> {
  const options = readOptions();
  const loadAverage = Deno.loadavg().map((load) => load.toFixed(2)).join(" ");
  const { present, versions, skipped } = await installed(options.only);
  const generator = await chooseGenerator();
  const samples: Sample[] = [];
  const folder = Deno.makeTempDirSync({ prefix: "sluice_bench_" });
  const backend = await startBackend(folder);
  try {
    for (let round = 1; round <= options.rounds; round++) {
      for (const contender of roundOrder(present, round)) {
        const sample = await measure(contender, { backend, generator, options, round });
        console.error(
          `round ${round} ${contender.name}: ${sample.cpuMicrosPerRequest.toFixed(1)} µs CPU a request, ` +
            `${sample.requestsPerSecond.toFixed(0)} requests/s`,
        );
        samples.push(sample);
      }
    }
  } finally {
    await backend.stop();
    Deno.removeSync(folder, { recursive: true });
  }
  console.log(resultTables(samples));
  if (options.output === "") return;
  const conditions = await describe({
    loadAverage,
    versions,
    skipped,
    backend: backend.name,
    generator: generator.name,
  });
  console.error(`written: ${writeReport(options.output, conditions, reportText(samples, conditions))}`);
}

async function stopAndExit(): Promise<never> {
  await stopAll();
  Deno.exit(1);
}

function readOptions(): Options {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      seconds: { type: "string", default: "4" },
      rounds: { type: "string", default: "3" },
      connections: { type: "string", default: "64" },
      warmup: { type: "string", default: "1" },
      only: { type: "string", default: CONTENDERS.map(({ name }) => name).join() },
      output: { type: "string", default: `${ROOT}bench/results` },
    },
  });
  const only = values.only.split(",");
  const unknown = only.find((wanted) => !CONTENDERS.some(({ name }) => name === wanted));
  if (unknown !== undefined) throw new TypeError(`No contender "${unknown}"`);
  return {
    seconds: wholeNumber("seconds", values.seconds, 1),
    rounds: wholeNumber("rounds", values.rounds, 1),
    connections: wholeNumber("connections", values.connections, 1),
    warmup: wholeNumber("warmup", values.warmup, 0),
    only,
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

async function installed(
  only: readonly string[],
): Promise<{ present: Contender[]; versions: Map<string, string>; skipped: string[] }> {
  const present: Contender[] = [];
  const versions = new Map<string, string>();
  const skipped: string[] = [];
  for (const contender of CONTENDERS.filter(({ name }) => only.includes(name))) {
    const version = await contender.version();
    if (version === null) skipped.push(contender.name);
    else {
      present.push(contender);
      versions.set(contender.name, version);
    }
  }
  return { present, versions, skipped };
}

/** Starts one place further each round, and every other round goes backwards. */
export function roundOrder<T>(contenders: readonly T[], round: number): T[] {
  const start = (round - 1) % Math.max(1, contenders.length);
  const rotated = [...contenders.slice(start), ...contenders.slice(0, start)];
  return round % 2 === 0 ? rotated.reverse() : rotated;
}

interface Measurement {
  readonly backend: Backend;
  readonly generator: Generator;
  readonly options: Options;
  readonly round: number;
}

async function measure(contender: Contender, measurement: Measurement): Promise<Sample> {
  const { backend, generator, options, round } = measurement;
  const { connections, seconds, warmup } = options;
  const folder = Deno.makeTempDirSync({ prefix: `sluice_bench_${contender.name}_` });
  try {
    const running = await contender.start({ backend: backend.address, folder, connections });
    try {
      const { address } = running;
      await proveCorrect(contender.name, address);
      if (warmup > 0) await generator.run({ address, connections, seconds: warmup });
      const before = running.cpuMicros();
      const result = await generator.run({ address, connections, seconds });
      const cpuMicrosPerRequest = (running.cpuMicros() - before) / result.requests;
      return { ...result, contender: contender.name, round, cpuMicrosPerRequest };
    } finally {
      await running.stop();
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

type Known = Omit<Conditions, "commit" | "date" | "command" | "machine">;

async function describe(known: Known): Promise<Conditions> {
  const commit = await programVersion("git", "-C", ROOT, "rev-parse", "--short", "HEAD") ?? "unknown";
  const changes = await programVersion("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no");
  const model = /^model name\s*: (.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? Deno.build.arch;
  const memoryGiB = (Deno.systemMemoryInfo().total / 2 ** 30).toFixed(1);
  const cores = `${navigator.hardwareConcurrency} cores`;
  return {
    ...known,
    commit: changes === "" ? commit : `${commit}-dirty`,
    date: new Date().toISOString().slice(0, 10),
    command: ["deno run -A bench/load/main.ts", ...Deno.args].join(" "),
    machine: `${model}, ${cores}, ${memoryGiB} GiB, Linux ${Deno.osRelease()}, Deno ${Deno.version.deno}`,
  };
}

/** Never over an earlier report. @returns The path. */
function writeReport(folder: string, { date, commit }: Conditions, text: string): string {
  Deno.mkdirSync(folder, { recursive: true });
  for (let count = 1;; count++) {
    const path = `${folder}/${date}-${commit}${count === 1 ? "" : `-${count}`}.md`;
    try {
      Deno.writeTextFileSync(path, text, { createNew: true });
      return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}
