/** The commands against a running proxy: a drain that loses nothing, and a plan that says what the reload then does. */

import { UNSUPPORTED } from "../../../lib/config/schema/unsupported.ts";
import type { PlanView, StatusView } from "../../../lib/admin/views.ts";
import { connect, listenerToml, PATIENCE_MS, upstreamToml } from "../../support/proxy_stage.ts";
import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { answerAfter, echo, response } from "../../support/backend_scripts.ts";
import { Load } from "../../support/load.ts";
import { ScriptedBackend } from "../../support/scripted_backend.ts";
import { runSluice, SluiceProcess } from "../../support/sluice_process.ts";
import { Gate } from "../../support/waiting.ts";

/** Nothing to ask as long as the key is refused: they run from the day on which it works. */
const ignore = UNSUPPORTED.has("admin");

const ADMIN = `[admin]\naddress = "127.0.0.1:0"\n`;

function tomlFor(backends: readonly ScriptedBackend[], keys = ""): string {
  const tables = backends.map(({ name, url }) => `{ name = "${name}", url = "${url}" }`);
  return ADMIN + listenerToml("web") + upstreamToml("api", tables, { keys });
}

async function asking(sluice: SluiceProcess): Promise<(...args: string[]) => Promise<string>> {
  const admin = await sluice.waitForAddress("admin");
  return async (...args) => {
    const { code, stdout, stderr } = await runSluice([...args, "--admin", admin], { deadlineMs: PATIENCE_MS });
    assertEquals([code, stderr], [0, ""], `${args.join(" ")}\n${stdout}`);
    return stdout;
  };
}

Deno.test("sluice drain --wait under load empties a backend and loses nothing", { ignore }, async () => {
  const gate = new Gate();
  await using one = ScriptedBackend.start([answerAfter(gate.opened, response(200, "late")), echo()], { name: "b1" });
  await using two = ScriptedBackend.start(echo(), { name: "b2" });
  await using sluice = await SluiceProcess.start(tomlFor([one, two]), { deadlineMs: PATIENCE_MS });
  const ask = await asking(sluice);
  using slow = await connect(sluice.address("web"));
  await slow.send("GET /api/slow HTTP/1.1\r\nHost: a\r\n\r\n");
  await one.waitForRequests(1, PATIENCE_MS);
  const load = new Load({ address: sluice.address("web"), target: (i) => `/api/${i}`, deadlineMs: PATIENCE_MS });
  await load.until(() => one.requests.length > 5 && two.requests.length > 5, "traffic at both");

  await ask("drain", "b1");
  await load.more(20); // what was on its way to it has ended
  const before = one.requests.length;
  await load.more(20);
  assertEquals(one.requests.length, before, "no new request");
  assertMatch(await ask("status", "api"), /\napi +b1 +draining +\S+ +1 +1 /);
  assertMatch(
    await ask("explain", "GET", "/api/x", "--live"),
    /\n {2}b1 skipped: draining since [\d:]{8}, by the operator/,
  );

  const waiting = ask("drain", "b1", "--wait");
  gate.open();
  assertEquals((await slow.readResponse()).text, "late");
  assertMatch(await waiting, /\napi\/b1 is empty\n$/);
  await ask("enable", "api/b1");
  await load.until(() => one.requests.length > before, "traffic at b1 again");
  await load.stop();
  assertEquals(load.failed, 0, String(load));
  assertEquals(await sluice.stop(), 0);
});

Deno.test("sluice plan says what the reload then does", { ignore }, async () => {
  const gate = new Gate();
  await using one = ScriptedBackend.start([answerAfter(gate.opened, response(200, "late")), echo()], { name: "b1" });
  await using two = ScriptedBackend.start(echo(), { name: "b2" });
  await using three = ScriptedBackend.start(echo(), { name: "b3" });
  await using sluice = await SluiceProcess.start(tomlFor([one, two]), { deadlineMs: PATIENCE_MS });
  const ask = await asking(sluice);
  using client = await connect(sluice.address("web"));
  await client.send("GET /api/slow HTTP/1.1\r\nHost: a\r\n\r\n");
  await one.waitForRequests(1, PATIENCE_MS);
  using other = await connect(sluice.address("web"));
  await other.send("GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n");
  assertEquals((await other.readResponse()).status, 200);

  const next = sluice.config.add("next.toml", tomlFor([two, three], `strategy = "random"`));
  const plan: PlanView = JSON.parse(await ask("plan", next, "--json"));
  const told = plan.changes.map(({ kind, area, name, inFlight }) => `${kind} ${area} ${name} ${inFlight}`);
  assertEquals(told, [
    "changed setting upstreams.api.strategy 0",
    "changed upstream api 0",
    "added backend api/b3 0",
    "removed backend api/b1 1",
  ]);
  assertEquals(plan.changes[1].detail, "b2: keeps connections and health");
  assert(plan.warnings.some((warning) => warning.startsWith("api/b1 goes with 1 in flight")), plan.warnings.join());
  let before = await statusOf(ask);
  const openedTo = ({ upstreams }: StatusView, name: string) =>
    upstreams[0].backends.find((backend) => backend.name === name)!.pool.opened;
  // Workers write down what their pools have opened four times a second.
  const deadline = performance.now() + PATIENCE_MS;
  while (openedTo(before, "b2") !== two.connections.length) {
    assert(performance.now() < deadline, "the pool of b2 is not told of");
    before = await statusOf(ask);
  }

  sluice.writeConfig(tomlFor([two, three], `strategy = "random"`));
  await ask("reload");
  const after = await statusOf(ask);
  const [upstream] = after.upstreams;
  assertEquals([upstream.strategy, upstream.backends.map(({ name }) => name)], ["random", ["b2", "b3"]]);
  assertEquals(openedTo(after, "b2"), openedTo(before, "b2"), "b2 keeps connections");
  assert(after.generation > before.generation, "another generation");
  gate.open();
  assertEquals((await client.readResponse()).text, "late", "what was in flight on b1 ends on the old plan");
  assertEquals(await sluice.stop(), 0);
});

async function statusOf(ask: (...args: string[]) => Promise<string>): Promise<StatusView> {
  return JSON.parse(await ask("status", "--json"));
}
