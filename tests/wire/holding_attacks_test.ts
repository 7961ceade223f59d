/** Many clients of one address hold what they can of a backend: one of another address is served meanwhile. */

import { assert, assertEquals } from "../support/assert.ts";
import { type Attack, attack, ATTACKER, ATTACKS, honest, victim } from "../support/holding_attacks.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { ONE_WORKER } from "../support/workers.ts";
import { ENGINES } from "../support/gateway_stage.ts";
import { listenerToml, PATIENCE_MS, upstreamToml } from "../support/proxy_stage.ts";

const ATTACKERS = 40;
const CONNECTIONS = 8;
const REQUESTS = 8;
// Requests that share connections take them from each other, whoever sends them.
const POOL = `max_connections = ${CONNECTIONS}, queue_timeout = "10s", pipelining = 1`; // the machine may have other work
const BOUNDED = { keys: `pool = { ${POOL} }` };
/** Attacks on all of a pool, by clients that are there before anybody else. Others end by themselves. */
const STALLING = ATTACKS.filter(({ name }) => /without a length|read nothing/.test(name));

function head(engine: string): string {
  return `[server]\n${ONE_WORKER}\ntrusted_proxies = ["127.0.0.1/32"]\n` +
    listenerToml("web", `engine = "${engine}"\nlimits = { body_timeout = "120s" }`);
}

for (const engine of ENGINES) {
  Deno.test(`${engine}: clients that hold connections take none from others`, async () => {
    await using backend = ScriptedBackend.start(victim);
    const stages = ["bounded", "open"].flatMap((pool) =>
      ATTACKS.map((kind, index) => ({ pool, kind, name: `${pool}-${index}` }))
    );
    const toml = head(engine) + `[log]\naccess = "off"\n` +
      stages.map(({ name, pool }) => upstreamToml(name, [backend.url], pool === "open" ? {} : BOUNDED)).join("");
    await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
    const address = sluice.address("web");
    const refused = await Promise.all(stages.map(async ({ pool, kind, name }) => {
      const prefix = `/${name}`;
      const first = await honest({ address, prefix, requests: 1, pauseMs: 0 });
      const attacking = new Attacking(kind, address, prefix);
      try {
        const { failures, tookMs } = await honest({ address, prefix, requests: REQUESTS, pauseMs: 50 });
        assertEquals(tookMs.length, REQUESTS);
        return [...first.failures, ...failures].map((failure) => `${pool}: ${kind.name}: ${failure}`);
      } finally {
        await attacking.end();
      }
    }));
    assertEquals(refused.flat(), []);
    backend.closeConnections();
    assertEquals(await sluice.stop(PATIENCE_MS), 0);
  });

  for (const kind of STALLING) {
    Deno.test(`${engine}: clients that hold all of a pool when another comes give some of it back: ${kind.name}`, async () => {
      await using backend = ScriptedBackend.start(victim);
      const toml = head(engine) + upstreamToml("early", [backend.url], BOUNDED);
      await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
      const [address, prefix] = [sluice.address("web"), "/early"];
      const attacking = new Attacking(kind, address, prefix);
      try {
        await backend.waitForConnections(CONNECTIONS, PATIENCE_MS);
        const deadlineMs = performance.now() + PATIENCE_MS;
        while ((await honest({ address, prefix, requests: 1, pauseMs: 50 })).failures.length > 0) {
          assert(performance.now() < deadlineMs, "an honest client is not served");
        }
        assertEquals((await honest({ address, prefix, requests: REQUESTS, pauseMs: 20 })).failures, []);
        const ended = await sluice.waitForAccess(({ error }) => error === "connection_reclaimed");
        assertEquals(ended.client, ATTACKER);
      } finally {
        await attacking.end();
      }
      backend.closeConnections();
      assertEquals(await sluice.stop(PATIENCE_MS), 0);
    });
  }
}

/** One that goes on. */
class Attacking {
  readonly #ending = new AbortController();
  readonly #attacking: Promise<void>;

  constructor(kind: Attack, address: string, prefix: string) {
    this.#attacking = attack(kind, { address, prefix, clients: ATTACKERS, signal: this.#ending.signal });
  }

  async end(): Promise<void> {
    this.#ending.abort();
    await this.#attacking;
  }
}
