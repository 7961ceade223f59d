/** Load by wrk. What is sent and what is printed is said by a script of ours, so that nothing is guessed from tables. */

import { output } from "./bench_process.ts";
import type { Load } from "./generator.ts";
import type { LoadResult } from "./load_result.ts";

/** Above what any response takes: wrk counts slower ones as failures. */
const TIMEOUT_SECONDS = 60;
/** wrk counts statuses from 400 on; that a path is not redirected, the proof has shown. */
const ERRORS = ["connect", "read", "write", "status", "timeout"];

export async function runWrk(load: Load): Promise<LoadResult> {
  const script = Deno.makeTempFileSync({ prefix: "sluice_bench_", suffix: ".lua" });
  try {
    Deno.writeTextFileSync(script, wrkScript(load));
    const { address, shape, seconds, connections } = load;
    const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", `${TIMEOUT_SECONDS}s`, "-s", script];
    return parseWrk(await output({ program: "wrk", args: [...args, `http://${address}${shape.path}`] }));
  } finally {
    Deno.removeSync(script);
  }
}

/** In Lua; fields are sent in the order that Lua has them in. */
export function wrkScript({ shape, isFresh }: Pick<Load, "shape" | "isFresh">): string {
  const fields = { ...shape.fields, ...(isFresh ? { Connection: "close" } : {}) };
  return [
    `wrk.method = ${JSON.stringify(shape.method)}`,
    ...Object.entries(fields).map(([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`),
    ...(shape.bodyBytes === 0 ? [] : [`wrk.body = string.rep("x", ${shape.bodyBytes})`]),
    "function done(summary, latency)",
    "  local e = summary.errors",
    `  io.write("\\n", string.format('{"requests":%d,"micros":%d,"bytes":%.0f,"failed":%d,"latencies":[%d,%d,%d]}',`,
    `    summary.requests, summary.duration, summary.bytes, ${ERRORS.map((error) => `e.${error}`).join(" + ")},`,
    '    latency:percentile(50), latency:percentile(95), latency:percentile(99)), "\\n")',
    "end",
    "",
  ].join("\n");
}

/** @param printed By wrk, with our line in it. */
export function parseWrk(printed: string): LoadResult {
  const line = /^\{.*\}$/m.exec(printed)?.[0];
  if (line === undefined) throw new Error(`No result in the output of wrk:\n${printed}`);
  const { requests, micros, bytes, failed, latencies } = JSON.parse(line);
  const [p50Ms, p95Ms, p99Ms] = latencies.map((latencyMicros: number) => latencyMicros / 1000);
  return { requests, seconds: micros / 1e6, bytes, failed, p50Ms, p95Ms, p99Ms };
}
