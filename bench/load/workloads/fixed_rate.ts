/** What the proxy adds to the time of a request when it is not busy: at a modest rate, beside the backend alone. */

import { denoScript, output } from "../bench_process.ts";
import { faultOf, type LoadResult } from "../load_result.ts";
import { prove } from "../proof.ts";
import type { OpenLoad } from "../scripts/open_loop.ts";
import { SHAPES } from "../shapes.ts";
import { COLUMNS, startProxy, type Workload } from "../workload.ts";

const RATE_PER_SECOND = 2_000;
const CONNECTIONS = 16;
const SHAPE = SHAPES.small;

export const fixedRate: Workload = {
  name: "fixed-rate",
  title:
    `Small GET at ${RATE_PER_SECOND} requests a second, by the clock whatever was answered; added: beside what the ` +
    "backend alone takes, measured right before.",
  columns: [
    { key: "addedP50Ms", label: "added p50 ms", digits: 3 },
    { key: "addedP99Ms", label: "added p99 ms", digits: 3 },
    { ...COLUMNS.p50, digits: 3 },
    { ...COLUMNS.p95, digits: 3 },
    { ...COLUMNS.p99, digits: 3 },
    { key: "directP50Ms", label: "direct p50 ms", digits: 3 },
    { key: "directP99Ms", label: "direct p99 ms", digits: 3 },
    COLUMNS.cpuPerRequest,
  ],
  contenders: (all) => all,
  missing: () => "",
  async measure(contender, stage) {
    const { backend, seconds, warmup } = stage;
    await using proxy = await startProxy(contender, stage);
    const { address } = proxy;
    await prove({ address, scheme: "http", shape: SHAPE }, backend.certificates);
    if (warmup > 0) await run(address, warmup);
    const direct = await run(backend.addresses.http, seconds);
    const cpuBefore = proxy.cpuMicros();
    const through = await run(address, seconds);
    const cpuMicros = proxy.cpuMicros() - cpuBefore;
    const fault = faultOf(direct, SHAPE.responseBytes) + faultOf(through, SHAPE.responseBytes);
    if (fault !== "") throw new Error(fault);
    return {
      addedP50Ms: through.p50Ms - direct.p50Ms,
      addedP99Ms: through.p99Ms - direct.p99Ms,
      p50Ms: through.p50Ms,
      p95Ms: through.p95Ms,
      p99Ms: through.p99Ms,
      directP50Ms: direct.p50Ms,
      directP99Ms: direct.p99Ms,
      cpuMicrosPerRequest: cpuMicros / through.requests,
    };
  },
};

async function run(address: string, seconds: number): Promise<LoadResult> {
  const load: OpenLoad = { address, shape: SHAPE, seconds, ratePerSecond: RATE_PER_SECOND, connections: CONNECTIONS };
  return JSON.parse(await output(denoScript("open_loop.ts", JSON.stringify(load))));
}
