/** What a reader has to know of a run to judge its numbers. */

import { programVersion, ROOT } from "./bench_process.ts";
import type { Conditions } from "./results.ts";

type Found = "commit" | "date" | "command" | "machine" | "loadAverage";

/** Called before anything is measured: the load average is that of the neighbours. */
export async function findConditions(): Promise<Pick<Conditions, Found>> {
  const commit = await programVersion("git", "-C", ROOT, "rev-parse", "--short", "HEAD") ?? "unknown";
  const changes = await programVersion("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no");
  const model = /^model name\s*: (.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? Deno.build.arch;
  const memoryGiB = (Deno.systemMemoryInfo().total / 2 ** 30).toFixed(1);
  const cores = `${navigator.hardwareConcurrency} cores`;
  return {
    commit: changes === "" ? commit : `${commit}-dirty`,
    date: new Date().toISOString().slice(0, 10),
    command: ["deno run -A bench/load/main.ts", ...Deno.args].join(" "),
    machine: `${model}, ${cores}, ${memoryGiB} GiB, Linux ${Deno.osRelease()}, Deno ${Deno.version.deno}`,
    loadAverage: Deno.loadavg().map((load) => load.toFixed(2)).join(" "),
  };
}
