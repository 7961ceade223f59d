/**
 * The load bench: `deno run -A bench/load/main.ts [--workloads small,idle] [--only nginx,sluice-wire]`.
 *
 * Every contender is proved correct, then measured in a fresh process each round, the order rotated and turned round
 * from one to the next, so that none always runs first or always after the same one. See bench/README.md.
 */

import { Attendance } from "./attendance.ts";
import { startBackend } from "./backend.ts";
import { stopAll } from "./bench_process.ts";
import { findConditions } from "./conditions.ts";
import type { Contender } from "./contender.ts";
import { CONTENDERS } from "./contenders.ts";
import { chooseGenerators } from "./generator.ts";
import { type Options, readOptions } from "./options.ts";
import { reportText, workloadText } from "./report.ts";
import type { Results, Sample, WorkloadResults } from "./results.ts";
import { roundOrder } from "./statistics.ts";
import type { Stage, Workload } from "./workload.ts";
import { WORKLOADS } from "./workloads.ts";

if (import.meta.main) {
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => stopAndExit());
  await main(readOptions(Deno.args));
  Deno.exit(0); // the signal listeners would keep it alive
}

async function main(options: Options): Promise<void> {
  const found = await findConditions();
  const generators = await chooseGenerators();
  const attendance = new Attendance();
  const workloads: WorkloadResults[] = [];
  const folder = Deno.makeTempDirSync({ prefix: "sluice_bench_" });
  try {
    await using backend = await startBackend(folder);
    const { seconds, warmup, connections } = options;
    const stage: Stage = { backend, generators, seconds, warmup, connections };
    for (const workload of WORKLOADS.filter(({ name }) => options.workloads.includes(name))) {
      const results = await measureAll(workload, { stage, options, attendance });
      workloads.push(results);
      console.log(workloadText(results));
    }
    if (options.output === "") return;
    const { versions, skipped } = attendance;
    const conditions = { ...found, backend: backend.name, generators: generators.names, versions, skipped };
    console.error(`written: ${writeResults(options.output, { conditions, workloads })}`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

async function stopAndExit(): Promise<never> {
  await stopAll();
  Deno.exit(1);
}

interface Run {
  readonly stage: Stage;
  readonly options: Options;
  readonly attendance: Attendance;
}

async function measureAll(workload: Workload, { stage, options, attendance }: Run): Promise<WorkloadResults> {
  const { name, title, columns } = workload;
  const missing = workload.missing(stage.generators);
  const samples: Sample[] = [];
  const present: Contender[] = [];
  for (const contender of workload.contenders(CONTENDERS.filter(({ name }) => options.only.includes(name)))) {
    if (missing === "" && await attendance.isPresent(contender)) present.push(contender);
  }
  for (let round = 1; round <= options.rounds; round++) {
    for (const contender of roundOrder(present, round)) {
      const sample = await measure(workload, { contender, stage, round });
      const [{ key, label, digits }] = columns;
      const text = sample.fault === "" ? `${sample.values[key].toFixed(digits)} ${label}` : `void: ${sample.fault}`;
      console.error(`${name}, round ${round}, ${contender.name}: ${text}`);
      samples.push(sample);
    }
  }
  return { name, title, columns, missing: present.length === 0 ? missing || "nobody can" : missing, samples };
}

interface Turn {
  readonly contender: Contender;
  readonly stage: Stage;
  readonly round: number;
}

async function measure(workload: Workload, { contender, stage, round }: Turn): Promise<Sample> {
  const named = { contender: contender.name, round };
  try {
    return { ...named, values: await workload.measure(contender, stage), fault: "" };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { ...named, values: {}, fault: error.message };
  }
}

/** Never over earlier ones. @returns The path of the report. */
function writeResults(folder: string, results: Results): string {
  const { date, commit } = results.conditions;
  Deno.mkdirSync(folder, { recursive: true });
  for (let count = 1;; count++) {
    const path = `${folder}/${date}-${commit}${count === 1 ? "" : `-${count}`}`;
    try {
      Deno.writeTextFileSync(`${path}.md`, reportText(results), { createNew: true });
      Deno.writeTextFileSync(`${path}.json`, JSON.stringify(results, null, 1) + "\n");
      return `${path}.md`;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}
