/** New configurations under load: what fails meanwhile, and how long each takes to be in force. */

import { get } from "../../../tests/support/raw_client.ts";
import { delay } from "../bench_process.ts";
import { prove } from "../proof.ts";
import { SHAPES } from "../shapes.ts";
import { median } from "../statistics.ts";
import { COLUMNS, startProxy, type Workload } from "../workload.ts";

/** Reloads need time to be seen. */
const SECONDS_MIN = 4;
const RELOADS_MAX = 10;
/** Between two of them; also how much of the load comes before the first. */
const PAUSE_MS = 300;
const POLL_MS = 5;
const DEADLINE_MS = 10_000;

export const reload: Workload = {
  name: "reload",
  title: `Small GET while the configuration is changed up to ${RELOADS_MAX} times; failed: requests that were not ` +
    "answered with 2xx, which includes kept connections that were closed under a request (browsers send it again).",
  columns: [
    { key: "failed", label: "failed", digits: 0 },
    { key: "reloads", label: "reloads", digits: 0 },
    { key: "effectMs", label: "ms until in force", digits: 0 },
    COLUMNS.requestsPerSecond,
    COLUMNS.p99,
  ],
  contenders: (all) => all.filter(({ reloads }) => reloads),
  missing: () => "",
  async measure(contender, stage) {
    const { backend, generators, connections, warmup } = stage;
    await using proxy = await startProxy(contender, stage, { generation: 1 });
    const { address } = proxy;
    const seconds = Math.max(SECONDS_MIN, stage.seconds);
    const load = { address, scheme: "http", shape: SHAPES.small, http2: false, isFresh: false, connections } as const;
    await prove(load, backend.certificates);
    if (warmup > 0) await generators.http({ ...load, seconds: warmup });
    let isLoaded = true;
    const loading = generators.http({ ...load, seconds }).finally(() => isLoaded = false);
    loading.catch(() => {}); // is awaited below, whatever happens before
    const effectsMs: number[] = [];
    try {
      for (let generation = 2; generation <= RELOADS_MAX + 1; generation++) {
        await delay(PAUSE_MS);
        if (!isLoaded) break;
        const startedMs = performance.now();
        await proxy.reload(generation);
        await inForce(address, generation);
        if (isLoaded) effectsMs.push(performance.now() - startedMs);
      }
    } finally {
      await loading;
    }
    if (effectsMs.length === 0) throw new Error("no reload was in force before the load ended");
    const result = await loading;
    return {
      failed: result.failed,
      reloads: effectsMs.length,
      effectMs: median(effectsMs),
      requestsPerSecond: result.requests / result.seconds,
      p99Ms: result.p99Ms,
    };
  },
};

async function inForce(address: string, generation: number): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    if ((await get(address, "/")).field("x-generation") === String(generation)) return;
    if (Date.now() > end) throw new Error(`generation ${generation} is not in force after ${DEADLINE_MS} ms`);
    await delay(POLL_MS);
  }
}
