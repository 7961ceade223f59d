/** What a connection costs that only waits: resident memory before and after many were opened and each used once. */

import { delay } from "../bench_process.ts";
import { prove } from "../proof.ts";
import { LeanClient, requestBytes } from "../scripts/lean_client.ts";
import { SHAPES } from "../shapes.ts";
import { MIB, startProxy, type Workload } from "../workload.ts";

const CONNECTIONS = 2_000;
/** Opened at once: few enough that it is not the backlog that is measured. */
const BATCH = 50;
/** For collectors to come by; all contenders get the same. */
const SETTLE_MS = 1_000;
const SHAPE = SHAPES.small;

export const idle: Workload = {
  name: "idle",
  title: `${CONNECTIONS} connections that sent one small GET each and wait; memory of the proxy, ` +
    "grown since it settled after a warm-up.",
  columns: [
    { key: "kibPerConnection", label: "KiB / connection", digits: 1 },
    { key: "rssMiB", label: "RSS MiB", digits: 1 },
    { key: "rssBeforeMiB", label: "RSS before MiB", digits: 1 },
  ],
  contenders: (all) => all,
  missing: () => "",
  async measure(contender, stage) {
    const { backend, generators, connections, warmup } = stage;
    await using proxy = await startProxy(contender, stage);
    const { address } = proxy;
    const load = { address, scheme: "http", shape: SHAPE, http2: false, isFresh: false, connections } as const;
    await prove(load, backend.certificates);
    if (warmup > 0) await generators.http({ ...load, seconds: warmup });
    await delay(SETTLE_MS);
    const before = proxy.rssBytes();
    const clients: LeanClient[] = [];
    try {
      const request = requestBytes(SHAPE, address);
      while (clients.length < CONNECTIONS) {
        const batch = Array.from({ length: BATCH }, () => LeanClient.connect(address));
        clients.push(...await Promise.all(batch));
        await Promise.all(clients.slice(-BATCH).map((client) => client.exchange(request)));
      }
      await delay(SETTLE_MS);
      const rss = proxy.rssBytes();
      // Whoever has closed some in between has not held them all.
      await Promise.all(clients.slice(0, BATCH).map((client) => client.exchange(request)));
      return {
        kibPerConnection: (rss - before) / 1024 / CONNECTIONS,
        rssMiB: rss / MIB,
        rssBeforeMiB: before / MIB,
      };
    } finally {
      for (const client of clients) client[Symbol.dispose]();
    }
  },
};
