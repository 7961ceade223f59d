/** Members of an upstream that others take the place of while it serves: by the operator's weights, and by hand. */

import { assertEquals, assertMatch, assertNotEquals } from "../support/assert.ts";
import { answerAfter, echo, echoOf, response, type Script } from "../support/backend_scripts.ts";
import { ConfigFile } from "../support/config_file.ts";
import { ENGINES } from "../support/gateway_stage.ts";
import { startInProcess } from "../support/in_process.ts";
import { Load } from "../support/load.ts";
import { connect, listenerToml, PATIENCE_MS, upstreamToml } from "../support/proxy_stage.ts";
import type { RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { Gate } from "../support/waiting.ts";
import { JudgedHealth } from "../../lib/plan/health_source.ts";
import { compileMembers, replaceMembers } from "../../lib/plan/members.ts";
import type { Sluice } from "../../lib/runtime/sluice.ts";
import { ADMIN_TOML, AdminClient } from "./admin_client.ts";
import { crewsOf, requestTo } from "./workers_stage.ts";

const QUIET = `[log]\nlevel = "error"\naccess = "off"\n`;
const WEIGHTED = { keys: `strategy = "weighted_round_robin"` };
const CHANGES = 100;

function named(...backends: readonly ScriptedBackend[]): string[] {
  return backends.map(({ url }, index) => `{ name = "b${index + 1}", url = "${url}" }`);
}

async function runWith(toml: string, work: (sluice: Sluice, address: string) => Promise<void>): Promise<void> {
  const config = new ConfigFile(toml);
  const sluice = await startInProcess(config.path);
  try {
    await work(sluice, sluice.dataPlane.listeners[0].address);
  } finally {
    await sluice.shutdown();
    config.remove();
  }
}

async function until(isMet: () => boolean, wanted: string): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!isMet()) {
    if (performance.now() > endMs) throw new Error(`Waited in vain: ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Where the next requests of a client go. */
async function turns(client: RawClient, count: number): Promise<string> {
  const names: string[] = [];
  while (names.length < count) {
    await client.send(requestTo("/api/x"));
    names.push(echoOf(await client.readResponse()).backend);
  }
  return names.sort().join(" ");
}

for (const workers of [1, 2]) {
  Deno.test(`weights that change under load lose nothing and hold nothing (${workers} workers)`, async () => {
    const gate = new Gate();
    const script: Script = (exchange) =>
      exchange.request.target === "/api/held"
        ? answerAfter(gate.opened, response(200, "late"))(exchange)
        : echo()(exchange);
    await using one = ScriptedBackend.start(script, { name: "b1" });
    await using two = ScriptedBackend.start(script, { name: "b2" });
    const toml = `[server]\nworkers = ${workers}\n` + ADMIN_TOML + QUIET + listenerToml("web", `engine = "wire"`) +
      upstreamToml("api", named(one, two), WEIGHTED) + upstreamToml("other", [one.url]);
    await runWith(toml, async (sluice, address) => {
      const admin = new AdminClient(sluice.adminAddress);
      const { plan, resources, metrics } = sluice;
      const api = plan.upstreams.get("api")!;
      const others = plan.upstreams.get("other")!.members;
      const sizes = () => [resources.backends.size, resources.machines.size, metrics.rows.count("backend")];
      const before = sizes();
      using held = await connect(address);
      await held.send(requestTo("/api/held"));
      await until(() => [one, two].some(({ requests }) => requests.at(-1)?.target === "/api/held"), "the held request");
      const first = api.members;
      const load = new Load({ address, target: (index) => `/api/${index}`, deadlineMs: PATIENCE_MS });

      for (let change = 1; change <= CHANGES; change++) {
        assertEquals((await admin.weight("api/b1", change % 7 + 1)).ok, true);
      }
      assertEquals((await admin.weight("api/b1", 0)).ok, true);
      await load.more(20);
      await load.stop();
      assertEquals(load.failed, 0, String(load));
      using fresh = await connect(address);
      assertEquals(await turns(fresh, 4), "b2 b2 b2 b2");

      const { generation, plansAlive } = await admin.status();
      assertEquals([generation, plansAlive], [1, 1]);
      assertEquals([sluice.plan, plan.upstreams.get("other")!.members], [plan, others], "nothing else is new");
      await until(() => api.retired.size === 1, "all but those of the held request to be given back");
      assertEquals([...api.retired], [first]);
      gate.open();
      assertEquals((await held.readResponse()).text, "late");
      await until(() => api.retired.size === 0, "the first ones to be given back");
      assertEquals(sizes(), before);
    });
  });
}

for (const engine of ENGINES) {
  Deno.test(`members that change between two attempts do not change for the exchange (${engine})`, async () => {
    const gate = new Gate();
    await using one = ScriptedBackend.start([answerAfter(gate.opened, response(503, "")), echo()], { name: "b1" });
    await using two = ScriptedBackend.start(echo(), { name: "b2" });
    const keys = `strategy = "sticky"\nsticky.secret = "for tests"\nretry = { on = ["connect", "reset", "503"] }`;
    const toml = `[server]\nworkers = 1\n` + QUIET + listenerToml("web", `engine = "${engine}"`) +
      upstreamToml("api", named(one, two), { keys });
    await runWith(toml, async ({ plan, resources }, address) => {
      const upstream = plan.upstreams.get("api")!;
      const { config } = upstream.members;
      const replace = async (backends: typeof config.backends) => {
        const context = { resources, health: new JudgedHealth(new Set(["api"])), stickySecret: "", random: () => 0 };
        replaceMembers(upstream, await compileMembers({ ...config, backends }, plan.features, context));
      };
      await replace(config.backends);
      using client = await connect(address);
      const boundTo = async (cookie = "") => {
        await client.send(`GET /api/x HTTP/1.1\r\nHost: a.test\r\n${cookie}\r\n`);
        return await client.readResponse();
      };
      const waiting = (async () => {
        for (;;) {
          const reply = await boundTo();
          if (one.requests.length > 0) return reply;
        }
      })();
      await one.waitForRequests(1, PATIENCE_MS);
      // Index 0 is the other one now: who took what was tried for these would come back to b1.
      await replace([...config.backends].reverse());
      gate.open();
      const reply = await waiting;
      assertEquals(echoOf(reply).backend, "b2");
      const cookie = reply.fieldLines("set-cookie")[0].split(";")[0];
      for (let index = 0; index < 4; index++) {
        const again = await boundTo(`Cookie: ${cookie}\r\n`);
        assertEquals([echoOf(again).backend, again.fieldLines("set-cookie")], ["b2", []]);
      }
    });
  });
}

const MEDDLING_MAIN = new URL("./meddling_main.ts", import.meta.url).pathname;

for (const victim of [1, 2]) {
  for (const meddle of ["refuse_members", "crash_members"]) {
    Deno.test(`a weight reaches all workers or none: ${meddle} ${victim}`, async () => {
      await using one = ScriptedBackend.start(echo(), { name: "b1" });
      await using two = ScriptedBackend.start(echo(), { name: "b2" });
      const toml = `[server]\nworkers = 2\n` + ADMIN_TOML + listenerToml("web", `engine = "wire"`) +
        upstreamToml("api", named(one, two), WEIGHTED) + upstreamToml("one", [one.url]);
      await using sluice = await SluiceProcess.start(toml, {
        deadlineMs: PATIENCE_MS,
        entry: MEDDLING_MAIN,
        env: { SLUICE_TEST_MEDDLE: `${meddle} ${victim}` },
      });
      const admin = await AdminClient.of(sluice);
      const shares = async () => {
        const crews = await crewsOf(sluice.address("web"), { backend: one, target: "/one/x", count: 1 });
        const shares = [];
        for (const [client] of crews) {
          shares.push(await turns(client, 4));
          client.close();
        }
        return shares;
      };
      const outcome = await admin.weight("api/b2", 0);
      if (meddle === "refuse_members") {
        assertEquals(outcome.ok, false);
        assertNotEquals(outcome.problems, []);
        assertMatch(outcome.message, /the weight could not be set/);
        assertEquals(await shares(), ["b1 b1 b2 b2", "b1 b1 b2 b2"]);
        assertEquals(await admin.stateOf("api/b2"), "healthy");
        assertEquals((await admin.weight("api/b2", 0)).ok, true);
      } else {
        assertEquals(outcome.ok, true, outcome.message);
        await admin.until(async () => {
          const { workers } = await admin.status();
          return workers[victim - 1].restarts === 1 && workers.every(({ state }) => state === "serving");
        }, "both to serve");
      }
      assertEquals(await shares(), ["b1 b1 b1 b1", "b1 b1 b1 b1"]);
      const { generation, plansAlive } = await admin.status();
      assertEquals([generation, plansAlive], [1, 1]);
      assertEquals(await sluice.stop(), 0);
    });
  }
}

Deno.test("workers that start while weights change come up with the last ones, and hold no others", async () => {
  await using one = ScriptedBackend.start(echo(), { name: "b1" });
  await using two = ScriptedBackend.start(echo(), { name: "b2" });
  const toml = `[server]\nworkers = 2\n` + ADMIN_TOML + QUIET + listenerToml("web", `engine = "wire"`) +
    upstreamToml("api", named(one, two), WEIGHTED) + upstreamToml("one", [one.url]);
  await runWith(toml, async (sluice, address) => {
    const admin = new AdminClient(sluice.adminAddress);
    const isUp = (restarts: number) => {
      const { workers } = sluice.dataPlane;
      return workers.every((worker) => worker.restarts === restarts && worker.state === "serving");
    };
    for (const id of [1, 2]) {
      sluice.dataPlane.restart(id);
      for (
        let weight = 1;
        weight < 2000 && !sluice.dataPlane.workers.every(({ state }) => state === "serving");
        weight++
      ) {
        assertEquals((await admin.weight("api/b1", weight % 9 + 1)).ok, true);
      }
      assertEquals((await admin.weight("api/b1", 0)).ok, true);
    }
    await until(() => isUp(1), "both to serve again");
    const crews = await crewsOf(address, { backend: one, target: "/one/x", count: 1 });
    for (const [client] of crews) {
      assertEquals(await turns(client, 4), "b2 b2 b2 b2");
      client.close();
    }
    await until(() => sluice.plan.upstreams.get("api")!.retired.size === 0, "the old ones to be given back");
    assertEquals(sluice.dataPlane.plans.alive, 1);
  });
});
