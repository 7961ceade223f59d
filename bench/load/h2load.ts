/** Load over TLS by h2load. It verifies no certificate; the proof has. Percentiles are from its log of all requests. */

import { output } from "./bench_process.ts";
import type { Load } from "./generator.ts";
import { type LoadResult, loadResult } from "./load_result.ts";

/** Streams of one HTTP/2 connection: some of what a page loads at once. */
const STREAMS = 4;

export async function runH2load(load: Load): Promise<LoadResult> {
  const log = Deno.makeTempFileSync({ prefix: "sluice_bench_", suffix: ".log" });
  try {
    const { address, http2, shape, seconds, connections } = load;
    const protocol = http2
      ? ["-c", String(Math.ceil(connections / STREAMS)), "-m", String(STREAMS), "--npn-list=h2"]
      : ["-c", String(connections), "--h1"];
    const fields = Object.entries(shape.fields).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
    const args = ["-t1", ...protocol, "-D", String(seconds), `--log-file=${log}`, ...fields];
    const printed = await output({ program: "h2load", args: [...args, `https://${address}${shape.path}`] });
    const spoken = http2 ? "h2" : "http/1.1";
    if (!printed.includes(`Application protocol: ${spoken}\n`)) throw new Error(`Not ${spoken}:\n${printed}`);
    return parseH2load(printed, Deno.readTextFileSync(log));
  } finally {
    Deno.removeSync(log);
  }
}

/** @param log Lines of: start, µs since 1970; status or -1; duration, µs. */
export function parseH2load(printed: string, log: string): LoadResult {
  const number = (pattern: RegExp) => {
    const match = pattern.exec(printed);
    if (match === null) throw new Error(`No ${pattern} in the output of h2load:\n${printed}`);
    return Number(match[1]);
  };
  const rows = log.split("\n").filter((line) => line !== "").map((line) => line.split("\t").map(Number));
  const not2xx = rows.filter(([, status]) => status < 200 || status > 299).length;
  return loadResult(rows.map(([, , micros]) => micros / 1000), {
    seconds: number(/^finished in ([\d.]+)s/m),
    bytes: number(/\((\d+)\) data/),
    failed: Math.max(number(/(\d+) failed,/), not2xx), // h2load counts most of the others, too
  });
}
