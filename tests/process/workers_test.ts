/** What two worker threads do as one: health, trials, reloads, access lines. What becomes of one that ends: workers_death_test.ts. */

import { assertEquals } from "../support/assert.ts";
import { echo, response, type Script } from "../support/backend_scripts.ts";
import type { JsonLine } from "../support/line_log.ts";
import type { RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { Gate } from "../support/waiting.ts";
import { ADMIN_TOML, AdminClient } from "./admin_client.ts";
import { ENGINES } from "../support/gateway_stage.ts";
import { listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";
import { freePort } from "../support/reload_stage.ts";
import { ask, crewsOf, requestTo, TWO_WORKERS, untilDone, Visitor, WORKERS } from "./workers_stage.ts";

const OPTIONS = { deadlineMs: PATIENCE_MS };
const CREW = 4;

const unwell: Script = (exchange) => exchange.write(response(503, ""));

/** The statuses of requests one after another. */
async function statusesOf(client: RawClient, target: string, count: number): Promise<string> {
  const statuses: number[] = [];
  while (statuses.length < count) statuses.push(await ask(client, target));
  return statuses.join(" ");
}

function changeOf(sluice: SluiceProcess, to: string, from: number): Promise<JsonLine> {
  return sluice.waitForEvent(({ event, to: state }) => event === "backend_health" && state === to, from);
}

for (const engine of ENGINES) {
  Deno.test(`${engine}: what one worker finds out about a backend counts for the other`, async (t) => {
    let probeStatus = 200;
    await using bad = ScriptedBackend.start(unwell);
    await using probed = ScriptedBackend.start((exchange) => {
      return exchange.request.target === "/healthz" ? exchange.write(response(probeStatus, "")) : echo()(exchange);
    });
    await using good = ScriptedBackend.start(echo());
    const withBackup = (backend: ScriptedBackend) => [backend.url, `{ url = "${good.url}", backup = true }`];
    const toml = TWO_WORKERS + `[log]\naccess = "off"\n` + listenerToml("web", `engine = "${engine}"`) +
      upstreamToml("good", [good.url]) +
      upstreamToml("traffic", withBackup(bad), {
        keys: `circuit = { failures = 3, open = "1m" }\nretry.attempts = 1`,
      }) +
      upstreamToml("probes", withBackup(probed), {
        keys: `health = { interval = "200ms", timeout = "200ms", rise = 1, fall = 1 }\ncircuit = { open = "100ms" }`,
      });
    await using sluice = await SluiceProcess.start(toml, OPTIONS);
    const crews = await crewsOf(sluice.address("web"), { backend: good, target: "/good/x", count: 1 });
    const [[one], [other]] = crews;
    const requestsAt = ({ requests }: ScriptedBackend) => requests.filter(({ target }) => target !== "/healthz").length;

    await step(t, "failures of both are a streak, and then neither sends there", async () => {
      assertEquals(await statusesOf(one, "/traffic/x", 2), "503 503");
      assertEquals(await statusesOf(other, "/traffic/x", 1), "503");
      await changeOf(sluice, "open", 0);
      for (const client of [other, one]) assertEquals(await statusesOf(client, "/traffic/x", 3), "200 200 200");
      assertEquals(requestsAt(bad), 3);
    });

    await step(t, "a probe takes it out for both, and brings it back for both", async () => {
      for (const client of [one, other]) assertEquals(await ask(client, "/probes/x"), 200);
      assertEquals(requestsAt(probed), 2);
      let from = sluice.events.length;
      probeStatus = 500;
      await changeOf(sluice, "open", from);
      for (const client of [one, other]) assertEquals(await statusesOf(client, "/probes/x", 3), "200 200 200");
      assertEquals(requestsAt(probed), 2);
      from = sluice.events.length;
      probeStatus = 200;
      await changeOf(sluice, "healthy", from);
      for (const client of [one, other]) assertEquals(await ask(client, "/probes/x"), 200);
      assertEquals(requestsAt(probed), 4);
    });
    for (const client of [one, other]) client.close();
    assertEquals(await sluice.stop(), 0);
  });
}

Deno.test("a backend on trial gets one request over all workers", async () => {
  await using bad = ScriptedBackend.start(unwell);
  await using good = ScriptedBackend.start(echo());
  const toml = TWO_WORKERS + `[log]\naccess = "off"\n` + listenerToml("web", `engine = "wire"`) +
    upstreamToml("good", [good.url]) +
    upstreamToml("api", [bad.url, good.url], {
      keys: `circuit = { failures = 3, open = "200ms", max_open = "10s" }\nretry.attempts = 1`,
    });
  await using sluice = await SluiceProcess.start(toml, OPTIONS);
  const address = sluice.address("web");
  const crews = await crewsOf(address, { backend: good, target: "/good/x", count: CREW });
  const visitors = crews.flat().map((client) => new Visitor(address, "/api/x", client));
  for (let round = 0; round < 3; round++) {
    const from = sluice.events.length;
    bad.use(unwell);
    await changeOf(sluice, "open", from);
    await untilDone(visitors, 2); // what was on its way there is answered
    const gate = new Gate();
    bad.use(async (exchange) => {
      await exchange.wait(gate.opened);
      await echo()(exchange);
    });
    const had = bad.requests.length;
    await bad.waitForRequests(had + 1, PATIENCE_MS);
    const onTrial = sluice.events.length;
    const onTrialMax = 1; // the visitor that waits for its answer
    await untilDone(visitors, 20, onTrialMax);
    assertEquals(bad.requests.length, had + 1);
    gate.open();
    await changeOf(sluice, "healthy", onTrial);
    const before = bad.requests.length;
    const newConnections = () => new Set(bad.requests.slice(before).map(({ connectionId }) => connectionId)).size;
    await bad.waitFor(() => newConnections() >= WORKERS, "traffic from both workers", PATIENCE_MS);
  }
  await Promise.all(visitors.map((visitor) => visitor.stop()));
  assertEquals(visitors.flatMap(({ lost }) => lost).filter((reason) => reason !== "503"), []);
  assertEquals(await sluice.stop(), 0);
});

Deno.test("thirty reloads under load over two workers lose nothing, and both are on the new plan when it is told", async () => {
  await using one = ScriptedBackend.start(echo(), { name: "one" });
  await using two = ScriptedBackend.start(echo(), { name: "two" });
  const toml = (round: number) => {
    const members = round % 2 === 0 ? [one.url, two.url] : [two.url];
    return TWO_WORKERS + ADMIN_TOML + `[log]\naccess = "off"\n` + listenerToml("serve") +
      listenerToml("wire", `engine = "wire"`) + upstreamToml("plain", members) +
      upstreamToml("piped", members, { keys: `pool.pipelining = 8` }) +
      `[[routes]]\nname = "round"\npath = "/round"\nrespond = { status = 200, body = "${round}" }\n` +
      upstreamToml("crew", [one.url]);
  };
  await using sluice = await SluiceProcess.start(toml(0), OPTIONS);
  const admin = await AdminClient.of(sluice);
  const wire = sluice.address("wire");
  const crews = await crewsOf(wire, { backend: one, target: "/crew/x", count: 3 });
  const visitors = crews.flatMap(([, second, third]) => [
    new Visitor(wire, "/piped/x", second),
    new Visitor(wire, "/plain/x", third),
  ]);
  visitors.push(new Visitor(sluice.address("serve"), "/plain/x", null), new Visitor(wire, "/piped/x", null));
  for (let round = 1; round <= 30; round++) {
    sluice.writeConfig(toml(round));
    assertEquals((await admin.ask("POST /api/reload")).status, 200);
    for (const [client] of crews) {
      await client.send(requestTo("/round"));
      assertEquals((await client.readResponse()).text, String(round));
    }
  }
  await untilDone(visitors, 5);
  await Promise.all(visitors.map((visitor) => visitor.stop()));
  for (const client of crews.flat()) client.close();
  assertEquals(visitors.flatMap(({ lost }) => lost), []);
  assertEquals((await admin.status()).plansAlive, 1);
  assertEquals([...one.violations, ...two.violations], []);
  assertEquals(await sluice.stop(), 0);
});

for (const [to, isFile] of [["stdout", false], ["a file", true]] as const) {
  Deno.test(`access lines of two workers are whole lines, one an exchange, in ${to}`, async () => {
    await using backend = ScriptedBackend.start(echo());
    const folder = await Deno.makeTempDir({ prefix: "sluice_test_" });
    const path = `${folder}/access.log`;
    const toml = TWO_WORKERS + listenerToml("web", `engine = "wire"`) + upstreamToml("api", [backend.url]) +
      (isFile ? `[log]\naccess = "${path}"\n` : "");
    await using sluice = await SluiceProcess.start(toml, OPTIONS);
    const address = sluice.address("web");
    const crews = await crewsOf(address, { backend, target: "/api/first", count: CREW });
    const firsts = backend.requests.length;
    // Targets of very different lengths, some beyond what a pipe takes at once (4 KiB).
    const targets = new Set<string>();
    await Promise.all(
      crews.flat().map(async (client, number) => {
        for (let index = 0; index < 60; index++) {
          const target = `/api/${number}-${index}/${"x".repeat((index % 7) * 1000)}`;
          targets.add(target);
          assertEquals(await ask(client, target), 200);
        }
        client.close();
      }),
    );
    assertEquals(await sluice.stop(), 0);
    const text = isFile ? await Deno.readTextFile(path) : sluice.stdout;
    await Deno.remove(folder, { recursive: true });
    const lines = text.trimEnd().split("\n").map((line) => JSON.parse(line) as JsonLine);
    assertEquals(lines.length, firsts + targets.size);
    const logged = lines.map(({ target }) => String(target)).filter((target) => target !== "/api/first");
    assertEquals(new Set(logged), targets);
    assertEquals(new Set(lines.map(({ request_id }) => request_id)).size, lines.length, "ids of their own");
  });
}

// What a worker served between opening its listeners and the start of all left no line and no span.
for (const workers of [1, WORKERS]) {
  Deno.test(`what is served before the start is told is in the access log, too (${workers} workers)`, async () => {
    await using backend = ScriptedBackend.start(echo());
    const address = `127.0.0.1:${freePort()}`;
    const toml = `[server]\nworkers = ${workers}\n[[listeners]]\nname = "web"\naddress = "${address}"\n` +
      `engine = "wire"\n` + upstreamToml("api", [backend.url]);
    const early = [1, 2, 3].map(() => new Visitor(address, "/api/x", null));
    await using sluice = await SluiceProcess.start(toml, OPTIONS);
    await sluice.waitForEvent(({ event }) => event === "started");
    await untilDone(early, 5);
    await Promise.all(early.map((visitor) => visitor.stop()));
    assertEquals(await sluice.stop(), 0);
    const answered = early.reduce((sum, { done, lost }) => sum + done - lost.length, 0);
    assertEquals([sluice.accessLog.length, backend.requests.length], [answered, answered]);
  });
}
