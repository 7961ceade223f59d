/** What the process uses, with the permissions that it has. */

import type { ProcessFacts } from "../../observe/metrics/facts.ts";

/** Memory now, CPU of all threads so far. */
export function processUsage(): Pick<ProcessFacts, "residentBytes" | "cpuSeconds"> {
  return { residentBytes: Deno.memoryUsage().rss, cpuSeconds: cpuSeconds() };
}

/** To be asked in the main thread: `performance.timeOrigin` is the process's there. */
export function processFacts(): ProcessFacts {
  return {
    ...processUsage(),
    startedAtSeconds: performance.timeOrigin / 1000,
    openDescriptors: openDescriptors(),
  };
}

/** Deno 2.9 has it, its types do not; that of `node:process` would cost 7 MB. -1 where there is none. */
function cpuSeconds(): number {
  const usage = (Deno as unknown as { cpuUsage?: () => { user: number; system: number } }).cpuUsage?.();
  return usage === undefined ? -1 : (usage.user + usage.system) / 1e6;
}

/** Deno reads /proc only for a process that may do everything; -1 otherwise, and where there is no /proc. */
function openDescriptors(): number {
  if (Deno.permissions.querySync({ name: "run" }).state !== "granted") return -1; // never prompt for it
  try {
    return [...Deno.readDirSync("/proc/self/fd")].length - 1; // the look itself has one open
  } catch {
    return -1;
  }
}
