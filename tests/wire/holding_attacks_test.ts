/** Many clients of one address hold what they can of a backend: one of another address is served meanwhile. */

import { assert, assertEquals } from "../support/assert.ts";
import { attack, ATTACKS, honest, victim } from "../support/holding_attacks.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { ONE_WORKER } from "../support/workers.ts";
import { ENGINES } from "../support/gateway_stage.ts";
import { listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";

const ATTACKERS = 40;
const CONNECTIONS = 8;
const REQUESTS = 8;

for (const engine of ENGINES) {
  Deno.test(`${engine}: clients that hold connections take none from others`, async (t) => {
    await using backend = ScriptedBackend.start(victim);
    const toml = `[server]\n${ONE_WORKER}\ntrusted_proxies = ["127.0.0.1/32"]\n[log]\naccess = "off"\n` +
      listenerToml("web", `engine = "${engine}"`) +
      upstreamToml("bounded", [backend.url], {
        // Requests that share connections take them from each other, whoever sends them.
        keys: `pool = { max_connections = ${CONNECTIONS}, pipelining = 1 }`,
      }) +
      upstreamToml("open", [backend.url]);
    await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
    const address = sluice.address("web");
    for (const prefix of ["/bounded", "/open"]) {
      for (const kind of ATTACKS) {
        await step(t, `${prefix.slice(1)}: ${kind.name}`, async () => {
          assertEquals((await honest({ address, prefix, requests: 1, pauseMs: 0 })).failures, []);
          const ending = new AbortController();
          const attacking = attack(kind, { address, prefix, clients: ATTACKERS, signal: ending.signal });
          try {
            const { failures, tookMs } = await honest({ address, prefix, requests: REQUESTS, pauseMs: 50 });
            assertEquals(failures, []);
            assert(tookMs.length === REQUESTS);
          } finally {
            ending.abort();
            await attacking;
          }
        });
      }
    }
    backend.closeConnections();
    assertEquals(await sluice.stop(PATIENCE_MS), 0);
  });
}
