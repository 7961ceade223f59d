/** What the first requests after a start wait for, when a connection to the backend costs a TLS handshake. */

import { delay } from "../bench_process.ts";
import type { Contender } from "../contender.ts";
import { loadResult } from "../load_result.ts";
import { LeanClient, requestBytes } from "../scripts/lean_client.ts";
import { SHAPES } from "../shapes.ts";
import { COLUMNS, startProxy, type Workload } from "../workload.ts";

export const BURST = 32;
/** For connections to be opened beforehand. */
const SETTLE_MS = 1_000;

export function prewarm(contenders: readonly Contender[]): Workload {
  return {
    name: "ab-prewarm",
    title:
      `First ${BURST} requests at once, ${SETTLE_MS} ms after a start, with \`min_idle = ${BURST}\` to an https backend.`,
    columns: [COLUMNS.p50, COLUMNS.p99],
    contenders: () => contenders,
    missing: () => "",
    async measure(contender, stage) {
      await using proxy = await startProxy(contender, stage, { upstream: "https" });
      const clients = await Promise.all(Array.from({ length: BURST }, () => LeanClient.connect(proxy.address)));
      try {
        await delay(SETTLE_MS);
        const request = requestBytes(SHAPES.small, proxy.address);
        const startedMs = performance.now();
        const latenciesMs = await Promise.all(clients.map(async (client) => {
          await client.exchange(request);
          return performance.now() - startedMs;
        }));
        const { p50Ms, p99Ms } = loadResult(latenciesMs, { seconds: 0, bytes: 0, failed: 0 });
        return { p50Ms, p99Ms };
      } finally {
        for (const client of clients) client[Symbol.dispose]();
      }
    },
  };
}
