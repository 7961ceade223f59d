/** One worker that ends or refuses: what it costs, and that the others and the whole go on. */

import { assertEquals, assertInRange, assertMatch, assertRejects } from "../support/assert.ts";
import { echo, echoOf, type Script } from "../support/backend_scripts.ts";
import { RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { type ProcessOptions, SluiceProcess } from "../support/sluice_process.ts";
import { Gate } from "../support/waiting.ts";
import { ADMIN_TOML, AdminClient } from "./admin_client.ts";
import type { Engine } from "../support/gateway_stage.ts";
import { connect, listenerToml, PATIENCE_MS, upstreamToml } from "../support/proxy_stage.ts";
import { freePort, refusal, reload } from "../support/reload_stage.ts";
import {
  ask,
  CounterWatch,
  type Crew,
  crewsOf,
  requestTo,
  TWO_WORKERS,
  untilDone,
  Visitor,
  WORKERS,
} from "./workers_stage.ts";

const CREW = 4;
const MEDDLING_MAIN = new URL("./meddling_main.ts", import.meta.url).pathname;

function report(text: string): void {
  if (Deno.env.has("SLUICE_TEST_REPORT")) console.log(text);
}

/** @param meddle For meddling_main.ts; "": the program as it is. */
function meddledWith(meddle: string): ProcessOptions {
  if (meddle === "") return { deadlineMs: PATIENCE_MS };
  return { deadlineMs: PATIENCE_MS, entry: MEDDLING_MAIN, env: { SLUICE_TEST_MEDDLE: meddle } };
}

/** Targets with "hang" wait at the gate. */
function hangingAt(gate: Gate): Script {
  return async (exchange) => {
    if (exchange.request.target.includes("hang")) await exchange.wait(gate.opened);
    await echo()(exchange);
  };
}

async function untilServing(admin: AdminClient, restarts: number): Promise<void> {
  await admin.until(async () => {
    const { workers } = await admin.status();
    return workers.every(({ state }) => state === "serving") &&
      workers.reduce((sum, worker) => sum + worker.restarts, 0) === restarts;
  }, "all workers to serve");
}

async function inFlight(admin: AdminClient): Promise<number> {
  return (await admin.status()).upstreams[0].backends[0].inFlight;
}

interface End {
  readonly name: string;
  readonly engine: Engine;
  readonly meddle: string;
  /** To the admin API. */
  readonly command: readonly [request: string, body: string];
}

const RESTART: End["command"] = ["POST /api/workers/1/restart", ""];
const ENDS: readonly End[] = [
  { name: "serve: a worker that the operator ends", engine: "serve", meddle: "", command: RESTART },
  { name: "wire: a worker that the operator ends", engine: "wire", meddle: "", command: RESTART },
  {
    name: "wire: a worker that an error ends",
    engine: "wire",
    meddle: "level 1",
    command: ["PUT /api/log", '{"level":"warn"}'],
  },
];

for (const { name, engine, meddle, command: [request, body] } of ENDS) {
  Deno.test(`${name} takes along what it has in flight, and nothing else`, async () => {
    const gate = new Gate();
    await using backend = ScriptedBackend.start(hangingAt(gate));
    const toml = TWO_WORKERS + ADMIN_TOML + `[log]\naccess = "off"\n` + listenerToml("web", `engine = "${engine}"`) +
      upstreamToml("api", [backend.url]);
    await using sluice = await SluiceProcess.start(toml, meddledWith(meddle));
    const admin = await AdminClient.of(sluice);
    const address = sluice.address("web");
    const crews = await crewsOf(address, { backend, target: "/api/x", count: CREW });
    const crewing = backend.requests.length;
    const hanging = crews.map(([first]) => first);
    for (const client of hanging) await client.send(requestTo("/api/hang"));
    await backend.waitForRequests(crewing + WORKERS, PATIENCE_MS);
    assertEquals(await inFlight(admin), WORKERS);

    const counters = new CounterWatch();
    const scrape = async () => counters.look((await admin.ask<string>("GET /metrics")).view);
    const loads = crews.map((crew) => crew.slice(1).map((client) => new Visitor(address, "/api/x", client)));
    const newcomer = new Visitor(address, "/api/new", null);
    const visitors = [...loads.flat(), newcomer];
    await untilDone(visitors, 20);
    await scrape();

    assertEquals((await admin.ask(request, body)).status, 200);
    for (let round = 0; round < 5; round++) {
      await scrape();
      await untilDone(visitors, 5);
    }
    await untilServing(admin, 1);
    await untilDone(visitors, 20);
    await Promise.all(visitors.map((visitor) => visitor.stop()));
    await admin.until(async () => await inFlight(admin) === 1, "only what the other worker has in flight");

    const died = loads[0].some(({ lost }) => lost.length > 0) ? 0 : 1;
    const survivor = 1 - died;
    assertEquals(loads[survivor].flatMap(({ lost }) => lost), []);
    // The one in flight, and at most one more: who comes back at once may be queued for the socket that is just closing.
    for (const { lost } of loads[died]) assertInRange(lost.length, 1, 2, lost.join());
    assertInRange(newcomer.lost.length, 0, 2, newcomer.lost.join());
    const lost = visitors.flatMap((visitor) => visitor.lost);
    // Cut off, all of them: nobody was refused, nobody was told that there is no backend.
    assertEquals(lost.filter((reason) => reason.includes("Refused") || /^\d/.test(reason)), []);

    await hanging[died].waitForClose().catch(() => {}); // by FIN or by RST
    gate.open();
    assertEquals((await hanging[survivor].readResponse()).status, 200);
    for (const client of hanging) client.close();
    await admin.until(async () => await inFlight(admin) === 0, "nothing in flight");
    assertEquals((await admin.status()).plansAlive, 1);

    await admin.until(async () => {
      await scrape();
      return counters.sum("sluice_exchanges_in_flight") === 0;
    }, "no exchange");
    assertEquals(counters.falls, []);
    const answered = crewing + 1 + visitors.reduce((sum, { done }) => sum + done, 0) - lost.length;
    // What the worker had counted is kept. What was cut off may have been answered and counted on its way.
    assertInRange(counters.sum("sluice_requests_total"), answered, answered + lost.length);
    report(`${name}: ${answered} answered, ${lost.length} lost: ${lost.join("; ")}`);
    sluice.signal("SIGTERM");
    assertEquals(await sluice.waitForExit(), 0);
  });
}

// What threads count together decides who is the least busy, and who may connect.
Deno.test("what workers held that are gone weighs no more, and takes no place", async () => {
  const gate = new Gate();
  await using busy = ScriptedBackend.start(hangingAt(gate), { name: "busy" });
  await using calm = ScriptedBackend.start(echo(), { name: "calm" });
  const toml = TWO_WORKERS + ADMIN_TOML + `[log]\naccess = "off"\n` + listenerToml("web", `engine = "wire"`) +
    listenerToml("narrow", `engine = "wire"\nlimits = { connections = ${CREW} }`) +
    upstreamToml("busy", [busy.url]) +
    upstreamToml("least", [busy.url, calm.url], { keys: `strategy = "least_connections"` });
  await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
  const admin = await AdminClient.of(sluice);
  const open = () => Promise.all(Array.from({ length: CREW }, () => connect(sluice.address("narrow"))));
  /** Over all that `open` gives, or may give in vain. */
  const statuses = (clients: Crew) => Promise.all(clients.map((client) => ask(client, "/least/x").catch(() => 0)));
  const shares = async () => {
    using client = await connect(sluice.address("web"));
    const names: string[] = [];
    while (names.length < 6) {
      await client.send(requestTo("/least/x"));
      names.push(echoOf(await client.readResponse()).backend);
    }
    return [names.filter((name) => name === "busy").length, names.filter((name) => name === "calm").length];
  };

  const clients = await open();
  assertEquals(await statuses(clients), new Array(CREW).fill(200));
  assertEquals(await statuses(await open()), new Array(CREW).fill(0), "no place is left");
  const before = busy.requests.length;
  for (let count = 1; count <= 3; count++) {
    const client = await connect(sluice.address("web"));
    clients.push(client);
    await client.send(requestTo("/busy/hang"));
    await busy.waitForRequests(before + count, PATIENCE_MS);
  }
  assertEquals(await shares(), [0, 6]);

  for (const [restarts, id] of [[1, 1], [2, 2]]) {
    assertEquals((await admin.ask(`POST /api/workers/${id}/restart`)).status, 200);
    await untilServing(admin, restarts);
  }
  gate.open();
  assertEquals(await shares(), [3, 3]);
  const others = await open();
  assertEquals(await statuses(others), new Array(CREW).fill(200));
  for (const client of [...clients, ...others]) client.close();
  assertEquals(await sluice.stop(), 0);
});

/** Answers "ROUND" at /round, and has a backend that the round before did not have. */
function tomlOf(round: number, backend: ScriptedBackend, more = ""): string {
  return TWO_WORKERS + ADMIN_TOML + `[log]\naccess = "off"\n` + listenerToml("web", `engine = "wire"`) + more +
    upstreamToml("api", [backend.url]) + upstreamToml("new", [`http://127.0.0.1:${round}`]) +
    `[[routes]]\nname = "round"\npath = "/round"\nrespond = { status = 200, body = "${round}" }\n`;
}

async function roundsAt(crews: readonly Crew[]): Promise<string[]> {
  const rounds: string[] = [];
  for (const [client] of crews) {
    await client.send(requestTo("/round"));
    rounds.push((await client.readResponse()).text);
  }
  return rounds;
}

// `reloaded` was told while a worker still served the plan before.
Deno.test("a reload is told when the last worker serves the new plan", async () => {
  await using backend = ScriptedBackend.start(echo());
  await using sluice = await SluiceProcess.start(tomlOf(1, backend), meddledWith("late 2"));
  const crews = await crewsOf(sluice.address("web"), { backend, target: "/api/x", count: 1 });
  await reload(sluice, () => sluice.writeConfig(tomlOf(2, backend)));
  assertEquals(await roundsAt(crews), ["2", "2"]);
  for (const [client] of crews) client.close();
  assertEquals(await sluice.stop(), 0);
});

for (const victim of [1, 2]) {
  Deno.test(`a plan that worker ${victim} alone cannot compile changes nothing in any`, async () => {
    await using backend = ScriptedBackend.start(echo());
    await using sluice = await SluiceProcess.start(tomlOf(1, backend), meddledWith(`refuse ${victim}`));
    const admin = await AdminClient.of(sluice);
    const crews = await crewsOf(sluice.address("web"), { backend, target: "/api/x", count: 1 });
    const port = freePort();
    const more = `[[listeners]]\nname = "more"\naddress = "127.0.0.1:${port}"\nengine = "wire"\n`;
    const next = tomlOf(2, backend, more);

    const problems = await refusal(sluice, () => sluice.writeConfig(next));
    assertMatch(problems.join(), /backend that has no row/);
    assertEquals(await roundsAt(crews), ["1", "1"]);
    await assertRejects(() => RawClient.connect(`127.0.0.1:${port}`), Deno.errors.ConnectionRefused);
    const { generation, plansAlive, listeners, lastReload } = await admin.status();
    assertEquals([generation, plansAlive, lastReload.ok], [1, 1, false]);
    assertEquals(listeners.map(({ name }) => name), ["web"]);

    await reload(sluice, () => sluice.signal("SIGHUP"));
    assertEquals(await roundsAt(crews), ["2", "2"]);
    const others = await crewsOf(`127.0.0.1:${port}`, { backend, target: "/api/x", count: 1 });
    assertEquals(await roundsAt(others), ["2", "2"]);
    for (const client of [...crews, ...others].flat()) client.close();
    assertEquals((await admin.status()).workers.map(({ restarts }) => restarts), [0, 0]);
    assertEquals(await sluice.stop(), 0);
  });

  Deno.test(`a plan on which worker ${victim} dies is taken by the other, and by the one that follows it`, async () => {
    await using backend = ScriptedBackend.start(echo());
    await using sluice = await SluiceProcess.start(tomlOf(1, backend), meddledWith(`crash ${victim}`));
    const admin = await AdminClient.of(sluice);
    await reload(sluice, () => sluice.writeConfig(tomlOf(2, backend)));
    await untilServing(admin, 1);
    const crews = await crewsOf(sluice.address("web"), { backend, target: "/api/x", count: 1 });
    assertEquals(await roundsAt(crews), ["2", "2"]);
    const { workers, plansAlive, generation } = await admin.status();
    assertEquals([workers[victim - 1].restarts, plansAlive, generation], [1, 1, 2]);
    for (const [client] of crews) client.close();
    sluice.signal("SIGTERM");
    assertEquals(await sluice.waitForExit(), 0);
  });
}
