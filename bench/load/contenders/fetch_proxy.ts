/** What one would write in Deno without sluice: `Deno.serve` and `fetch`. */

import { cpuMicros } from "../../../tests/support/process_usage.ts";
import { BenchProcess, ROOT } from "../bench_process.ts";
import type { Contender } from "../contender.ts";

export const fetchProxy: Contender = {
  name: "fetch-proxy",
  version: () => Promise.resolve(`Deno.serve and fetch, Deno ${Deno.version.deno}`),
  async start({ backend }) {
    const args = ["run", "-A", "--no-check", `${ROOT}bench/load/fetch_proxy.ts`, backend];
    const process = new BenchProcess(Deno.execPath(), args);
    try {
      const address = await process.waitForListening();
      return { address, cpuMicros: () => cpuMicros(process.pid), stop: () => process.stop() };
    } catch (error) {
      await process.stop();
      throw error;
    }
  },
};
