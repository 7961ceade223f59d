/** What a process has used, from /proc (proc(5)). Linux only. */

/** USER_HZ: fixed at 100 on every Linux that Deno runs on. */
const TICKS_PER_SECOND = 100;

/** User and system time of all threads, those that ended included, in µs. Steps of 10 ms. */
export function cpuMicros(pid: number): number {
  // The name in parentheses may hold blanks: count from behind it. utime and stime are fields 14 and 15.
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * (1_000_000 / TICKS_PER_SECOND);
}

/** Resident memory. */
export function rssBytes(pid: number): number {
  return memoryBytes(pid, "VmRSS");
}

/** The most resident memory that it has had. */
export function peakRssBytes(pid: number): number {
  return memoryBytes(pid, "VmHWM");
}

function memoryBytes(pid: number, name: "VmRSS" | "VmHWM"): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status);
  if (match === null) throw new Error(`No ${name} for process ${pid}`);
  return Number(match[1]) * 1024;
}

/** Direct children, of whichever of its threads. */
export function childPids(pid: number): number[] {
  const children: number[] = [];
  for (const thread of Deno.readDirSync(`/proc/${pid}/task`)) {
    const list = Deno.readTextFileSync(`/proc/${pid}/task/${thread.name}/children`);
    children.push(...list.split(" ").filter((child) => child !== "").map(Number));
  }
  return children;
}

/** Files and sockets that it has open. */
export function openDescriptors(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}
