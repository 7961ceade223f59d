/** The admin side of a running proxy: what it shows, and that what it does loses nothing. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { answer, answerAfter, echo, response } from "../support/backend_scripts.ts";
import { fieldValues } from "../support/http_message.ts";
import { Load } from "../support/load.ts";
import { get } from "../support/raw_client.ts";
import { freePort, ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { Gate } from "../support/waiting.ts";
import { ADMIN_TOML, AdminClient } from "./admin_client.ts";
import { connect, listenerToml, PATIENCE_MS, upstreamToml } from "../support/proxy_stage.ts";
import { reload } from "../support/reload_stage.ts";

const OPTIONS = { deadlineMs: PATIENCE_MS };
const WEB = listenerToml("web");
const GET = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

function named(...backends: readonly ScriptedBackend[]): string[] {
  return backends.map(({ url }, index) => `{ name = "b${index + 1}", url = "${url}" }`);
}

for (const workers of [1, 2]) {
  Deno.test(`drain under load loses nothing, and stays over reloads until enable (${workers} workers)`, async () => {
    const gate = new Gate();
    await using one = ScriptedBackend.start([answerAfter(gate.opened, response(200, "late")), echo()], { name: "b1" });
    await using two = ScriptedBackend.start(echo(), { name: "b2" });
    const toml = `[server]\nworkers = ${workers}\n` + ADMIN_TOML + WEB + upstreamToml("api", named(one, two));
    await using sluice = await SluiceProcess.start(toml, OPTIONS);
    const admin = await AdminClient.of(sluice);
    const address = sluice.address("web");
    using slow = await connect(address);
    await slow.send(GET("/api/slow"));
    await one.waitForRequests(1, PATIENCE_MS);
    const load = new Load({ address, target: (index) => `/api/${index}`, deadlineMs: PATIENCE_MS });
    await load.until(() => one.requests.length > 5 && two.requests.length > 5, "traffic at both");

    assertMatch((await admin.command("drain", "api/b1")).message, /^api\/b1 drains: no new exchanges; \d+ in flight$/);
    await admin.until(async () => (await admin.status()).upstreams[0].backends[0].inFlight === 1, "only the slow one");
    const before = one.requests.length;
    await load.more(20);
    assertEquals(one.requests.length, before, "no new exchange");
    assertEquals(await admin.stateOf("api/b1"), "draining drain");

    // Another health identity, so another machine; and gone and back.
    await reload(sluice, () => sluice.writeConfig(toml.replace("[[routes]]", "circuit.failures = 9\n[[routes]]")));
    await load.more(20);
    assertEquals([one.requests.length, await admin.stateOf("api/b1")], [before, "draining drain"]);
    await reload(sluice, () => sluice.writeConfig(toml.replace(/\{ name = "b1".*?\}, /, "")));
    await reload(sluice, () => sluice.writeConfig(toml));
    await load.more(20);
    assertEquals([one.requests.length, await admin.stateOf("api/b1")], [before, "draining drain"]);

    gate.open();
    assertEquals((await slow.readResponse()).text, "late");
    assertEquals((await admin.command("enable", "api/b1")).ok, true);
    await load.until(() => one.requests.length > before, "traffic at b1 again");
    assertEquals(await admin.stateOf("api/b1"), "healthy");
    await load.stop();
    assertEquals(load.failed, 0, String(load));
    assertEquals(await sluice.stop(), 0);
  });
}

Deno.test("a drain of one upstream leaves the same address to another, and says so", async () => {
  await using shared = ScriptedBackend.start(echo());
  await using other = ScriptedBackend.start(echo());
  const toml = ADMIN_TOML + WEB + upstreamToml("api", named(shared, other)) + upstreamToml("web", named(shared));
  await using sluice = await SluiceProcess.start(toml, OPTIONS);
  const admin = await AdminClient.of(sluice);
  const { message } = await admin.command("drain", "api/b1");
  assertStringIncludes(message, "the same address still takes traffic as web/b1");
  for (let index = 0; index < 4; index++) assertEquals((await get(sluice.address("web"), "/api/")).status, 200);
  assertEquals(shared.requests.length, 0);
  assertEquals((await get(sluice.address("web"), "/web/")).status, 200);
  assertEquals([await admin.stateOf("api/b1"), await admin.stateOf("web/b1")], ["draining drain", "healthy"]);

  const last = await admin.command("disable", "web/b1");
  assertStringIncludes(last.message, "no backend of web is eligible any more, requests to it get 503");
  assertEquals((await get(sluice.address("web"), "/web/")).status, 503);
  const { status, view } = await admin.ask<{ reasons: string[] }>("GET /readyz");
  assertEquals([status, view.reasons], [503, ["upstream web has no eligible backend"]]);
  assertEquals(await sluice.stop(), 0);
});

Deno.test("a weight takes the place of the file's until it is cleared", async () => {
  await using one = ScriptedBackend.start(echo());
  await using two = ScriptedBackend.start(echo());
  const keys = `strategy = "weighted_round_robin"`;
  const toml = ADMIN_TOML + WEB + upstreamToml("api", named(one, two), { keys }) + upstreamToml("plain", named(one));
  await using sluice = await SluiceProcess.start(toml, OPTIONS);
  const admin = await AdminClient.of(sluice);
  const turns = async (count: number) => {
    const before = [one.requests.length, two.requests.length];
    using client = await connect(sluice.address("web")); // one, and so one worker: each has turns of its own
    for (let index = 0; index < count; index++) {
      await client.send(GET("/api/"));
      assertEquals((await client.readResponse()).status, 200);
    }
    return [one.requests.length - before[0], two.requests.length - before[1]];
  };
  assertEquals((await admin.weight("api/b1", 3)).ok, true);
  assertEquals(await turns(8), [6, 2]);
  await reload(sluice, () => sluice.writeConfig(`${toml}# touched\n`));
  assertEquals(await turns(8), [6, 2]);
  const [{ backends }] = (await admin.status()).upstreams;
  assertEquals([backends[0].weight, backends[0].configuredWeight, backends[0].override?.weight], [3, 1, 3]);
  assertEquals((await admin.weight("api/b2", 0)).ok, true);
  assertEquals(await turns(3), [3, 0]);
  const asked = JSON.stringify({ method: "GET", url: "http://a/api/" });
  const { view: explained } = await admin.ask<{ lines: string[] }>("POST /api/explain", asked);
  const lines = explained.lines.join("\n");
  for (const said of [/b1 eligible, weight 3/, /b2 .*weight 0/]) assertMatch(lines, said);
  const { view: metrics } = await admin.ask<string>("GET /metrics");
  assertMatch(metrics, /^sluice_backend_weight\{upstream="api",backend="b2"\} 0$/m);
  assertMatch((await admin.weight("api/b1", 0)).message, /every weight of api would be 0/);
  assertMatch((await admin.weight("plain/b1", 2)).message, /no effect with strategy "round_robin"/);
  assertEquals((await admin.weight("api/b1", null)).ok, true);
  assertEquals((await admin.command("enable", "api/b2")).ok, true);
  assertEquals(await turns(8), [4, 4]);
  assertEquals((await admin.status()).upstreams[0].backends.map(({ override }) => override), [null, null]);
  assertEquals(await sluice.stop(), 0);
});

Deno.test("a weight does not hide that the file was refused", async () => {
  await using one = ScriptedBackend.start(echo());
  await using two = ScriptedBackend.start(echo());
  const options = { keys: `strategy = "weighted_round_robin"` };
  const toml = ADMIN_TOML + WEB + upstreamToml("api", named(one, two), options);
  await using sluice = await SluiceProcess.start(toml, OPTIONS);
  const admin = await AdminClient.of(sluice);
  sluice.writeConfig(`${toml}\n[nonsense]\n`);
  await admin.until(async () => !(await admin.status()).lastReload.ok, "the refusal");
  const { lastReload } = await admin.status();
  const counted = async () => {
    const { view } = await admin.ask<string>("GET /metrics");
    return view.split("\n").filter((line) => /^sluice_(reloads_total|config_last_reload)/.test(line));
  };
  const before = await counted();
  assert(before.includes("sluice_config_last_reload_successful 0"), before.join());
  assertEquals((await admin.weight("api/b1", 3)).ok, true);
  assertEquals((await admin.status()).lastReload, lastReload);
  assertEquals((await admin.command("enable", "api/b1")).ok, true);
  assertEquals((await admin.status()).lastReload, lastReload);
  assertEquals(await counted(), before);
});

Deno.test("status, events and log level follow what happens", async () => {
  const port = await freePort();
  await using good = ScriptedBackend.start(answer());
  const sections = "retry.attempts = 1\ncircuit.failures = 3";
  const toml = ADMIN_TOML + WEB + upstreamToml("api", [`http://127.0.0.1:${port}`], { sections }) +
    upstreamToml("web", named(good));
  await using sluice = await SluiceProcess.start(toml, OPTIONS);
  const admin = await AdminClient.of(sluice);
  for (let index = 0; index < 3; index++) assertEquals((await get(sluice.address("web"), "/api/")).status, 502);
  await get(sluice.address("web"), "/web/");
  await admin.until(async () => (await admin.events()).some(({ kind }) => kind === "error"), "errors told");
  const health = (await admin.events()).find(({ kind }) => kind === "health")!;
  assertMatch(health.message, /healthy to open, connect_refused × 3 \(traffic\)/);
  const errors = (await admin.events()).filter(({ kind }) => kind === "error");
  assert(errors.every(({ code }) => code === "connect_refused"), JSON.stringify(errors));

  const status = await admin.status();
  const [backend] = status.upstreams[0].backends;
  assertEquals([backend.state, backend.reason, backend.isEligible], ["open", "connect_refused × 3 (traffic)", false]);
  assert(backend.until !== null && backend.until > backend.since);
  assertEquals(status.traffic.requestsTotal, 4);
  assertEquals(status.readiness, { ready: false, reasons: ["upstream api has no eligible backend"] });
  assertEquals(status.listeners.map(({ name, engine }) => `${name} ${engine}`), ["web serve"]);

  assertEquals((await admin.ask("PUT /api/log", '{"level":"error"}')).status, 200);
  assertEquals((await admin.status()).logLevel, "error");
  sluice.writeConfig("wrong");
  await sluice.waitForEvent(({ event }) => event === "reload_refused");
  const refused = await admin.ask<{ problems: string[] }>("POST /api/reload");
  assertEquals(refused.status, 422);
  assert(refused.view.problems.length > 0);
  const { lastReload } = await admin.status();
  assertEquals([lastReload.ok, lastReload.problems.length > 0], [false, true]);
  sluice.writeConfig(toml);
  assertEquals((await admin.ask("POST /api/reload")).status, 200);
  const history = (await admin.ask<unknown[]>("GET /api/history")).view;
  assert(history.length > 0);
  assertEquals(await sluice.stop(), 0);
});

for (const workers of [1, 2]) {
  Deno.test(`a listener that stays is shown with its new name, and with its connections (${workers} workers)`, async () => {
    const toml = (name: string) =>
      `[server]\nworkers = ${workers}\n${ADMIN_TOML}[[listeners]]\nname = "${name}"\nengine = "wire"\n` +
      `address = "127.0.0.1:${port}"\n[[listeners]]\nname = "plain"\naddress = "127.0.0.1:0"\n` +
      `[[routes]]\nrespond = { status = 204 }\n`;
    const port = freePort();
    await using sluice = await SluiceProcess.start(toml("old"), OPTIONS);
    const admin = await AdminClient.of(sluice);
    using client = await connect(`127.0.0.1:${port}`);
    await client.send(GET("/"));
    assertEquals((await client.readResponse()).status, 204);
    const shown = async () =>
      (await admin.status()).listeners.map((one) => `${one.name} ${one.engine} ${one.connections}`);
    assertEquals(await shown(), ["old wire 1", "plain serve null"]);
    await reload(sluice, () => sluice.writeConfig(toml("new")));
    assertEquals(await shown(), ["new wire 1", "plain serve null"]);
    assertEquals(await sluice.stop(), 0);
  });
}

Deno.test("the admin listener answers HEAD as GET without the body, and keeps no stream for it", async () => {
  await using sluice = await SluiceProcess.start(
    ADMIN_TOML + WEB + "[[routes]]\nrespond = { status = 204 }\n",
    OPTIONS,
  );
  const address = await sluice.waitForAddress("admin");
  using client = await connect(address);
  const ask = async (method: string, path: string, host = "localhost") => {
    await client.send(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    return await client.readResponse({ method });
  };
  for (const path of ["/", "/healthz", "/api/config", "/api/nothing"]) {
    const [got, head] = [await ask("GET", path), await ask("HEAD", path)];
    assertEquals(
      [head.status, fieldValues(head.fields, "content-length")],
      [got.status, [String(got.body.length)]],
      path,
    );
  }
  assertEquals((await ask("HEAD", "/api/config", "evil.example")).status, 403);
  for (let count = 0; count < 40; count++) assertEquals((await ask("HEAD", "/api/stream")).status, 200);
  assertEquals(await sluice.stop(), 0);
});

Deno.test("the admin listener answers while sluice drains, not ready, and ends last", async () => {
  const gate = new Gate();
  await using backend = ScriptedBackend.start(answerAfter(gate.opened, response(200, "in time")));
  await using sluice = await SluiceProcess.start(ADMIN_TOML + WEB + upstreamToml("api", [backend.url]), OPTIONS);
  const admin = await AdminClient.of(sluice);
  assertEquals((await admin.ask("GET /readyz")).status, 200);
  using stream = await connect(admin.address);
  await stream.send("GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await stream.readResponseHead();
  using client = await connect(sluice.address("web"));
  await client.send(GET("/api/"));
  await backend.waitForRequests(1, PATIENCE_MS);
  sluice.signal("SIGTERM");
  await sluice.waitForEvent(({ event }) => event === "draining");
  const { status, view } = await admin.ask<{ reasons: string[] }>("GET /readyz");
  assertEquals([status, view.reasons], [503, ["it is shutting down"]]);
  assertEquals((await admin.ask("GET /healthz")).view, "ok\n");
  assertMatch((await admin.command("drain", "api/127.0.0.1%3A" + backend.port)).message, /shutting down/);
  gate.open();
  assertEquals((await client.readResponse()).text, "in time");
  assertEquals(await sluice.waitForExit(), 0);
  sluice.assertNoBugs();
});

Deno.test("the admin listener takes a Unix socket, and asks for its token there, too", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const toml = `[admin]\naddress = "unix:${folder}/admin.sock"\ntoken = "\${TOKEN}"\n` + WEB +
      upstreamToml("api", ["http://127.0.0.1:1"]);
    await using sluice = await SluiceProcess.start(toml, { ...OPTIONS, env: { TOKEN: "s3cret" } });
    const address = await sluice.waitForAddress("admin");
    assertEquals((await new AdminClient(address).ask("GET /api/status")).status, 401);
    const admin = new AdminClient(address, "s3cret");
    assertEquals((await admin.ask("GET /api/status")).status, 200);
    const { view } = await admin.ask<{ key: string; value: string }[]>("GET /api/config");
    assertEquals(view.find(({ key }) => key === "admin.token")?.value, '"${TOKEN}"');
    assert(!JSON.stringify(view).includes("s3cret"));
    assertEquals(await sluice.stop(), 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("worker threads: errors, log level and weights reach all, and one can be restarted", async () => {
  const port = await freePort();
  await using good = ScriptedBackend.start(echo());
  const keys = `strategy = "weighted_round_robin"`;
  const toml = `[server]\nworkers = 2\n` + ADMIN_TOML + WEB +
    upstreamToml("gone", [`http://127.0.0.1:${port}`], { sections: "retry.attempts = 1" }) +
    upstreamToml("api", named(good, good).slice(0, 1).concat(`{ name = "b2", url = "http://127.0.0.1:${port}" }`), {
      keys,
    });
  await using sluice = await SluiceProcess.start(toml, OPTIONS);
  const admin = await AdminClient.of(sluice);
  const address = sluice.address("web");
  assertEquals((await admin.status()).workers.map(({ id, state }) => `${id} ${state}`), ["1 serving", "2 serving"]);
  assertEquals((await get(address, "/gone/")).status, 502);
  await admin.until(
    async () => (await admin.events()).some(({ code }) => code === "connect_refused"),
    "the error told",
  );

  assertEquals((await admin.weight("api/b2", 0)).ok, true);
  for (let index = 0; index < 20; index++) assertEquals((await get(address, "/api/")).status, 200);
  assertEquals((await admin.ask("PUT /api/log", '{"level":"warn"}')).status, 200);
  assertEquals((await admin.weight("api/b1", 2)).ok, true);
  assertEquals((await admin.status()).logLevel, "warn", "kept, as the file was not read");

  assertEquals((await admin.ask("POST /api/workers/2/restart")).status, 200);
  await admin.until(async () => {
    const { workers } = await admin.status();
    return workers[1].restarts === 1 && workers[1].state === "serving";
  }, "worker 2 to serve again");
  const codes = (await admin.events()).filter(({ kind }) => kind === "worker").map(({ code }) => code);
  assertEquals(codes, ["worker_died", "worker_started"]);
  for (let index = 0; index < 20; index++) assertEquals((await get(address, "/api/")).status, 200);
  assertEquals(await sluice.stop(), 0);
});
