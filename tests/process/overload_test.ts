/** More clients than there are descriptors or connections: sluice says no to some, and goes on for the others. */

import { assert, assertEquals } from "../support/assert.ts";
import { echo, echoOf, hang, response, type Script } from "../support/backend_scripts.ts";
import { get, parseAddress, type RawClient } from "../support/raw_client.ts";
import { openDescriptors } from "../support/process_usage.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { ONE_WORKER } from "../support/workers.ts";
import { connect, listenerToml, PATIENCE_MS, step, upstreamToml, within } from "../support/proxy_stage.ts";

const DESCRIPTORS_MAX = 128;
const CROWD = 300;
/** Measured for so long, ms. */
const WINDOW_MS = 2000;

interface Stage {
  readonly sluice: SluiceProcess;
  readonly backend: ScriptedBackend;
  /** Connected and served while there was room. */
  readonly early: readonly RawClient[];
}

async function ask(client: RawClient, target: string): Promise<{ status: number; text: string }> {
  await client.send(`GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  return await client.readResponse();
}

/** Idle connections. Those that the kernel takes and sluice does not, count as well. */
async function crowd(address: string, count: number): Promise<Deno.Conn[]> {
  const { hostname, port } = parseAddress(address);
  const settled = await Promise.allSettled(Array.from({ length: count }, () => Deno.connect({ hostname, port })));
  return settled.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
}

/** Resolves when sluice has noticed. */
async function disperse(sluice: SluiceProcess, connections: readonly Deno.Conn[]): Promise<void> {
  for (const connection of connections) connection.close();
  const deadline = performance.now() + PATIENCE_MS;
  while (openDescriptors(sluice.pid) > DESCRIPTORS_MAX / 2) {
    assert(performance.now() < deadline, "The descriptors are not given back");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The kernel takes connections before sluice does: resolves when sluice has taken as many as it can. */
async function exhausted(sluice: SluiceProcess): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (openDescriptors(sluice.pid) < DESCRIPTORS_MAX) {
    assert(performance.now() < deadline, "There are descriptors left");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function report(text: string): void {
  if (Deno.env.has("SLUICE_TEST_REPORT")) console.log(text);
}

function eventsOf(sluice: SluiceProcess, name: string, from: number) {
  return sluice.events.slice(from).filter(({ event }) => event === name);
}

/** A `Deno.serve` process ends, or is deaf for good, after the first accept() that finds no descriptor. */
async function exhaust({ sluice, early }: Stage, listener: string): Promise<void> {
  const from = sluice.events.length;
  const idle = await crowd(sluice.address(listener), CROWD);
  await sluice.waitForEvent(({ event, listener: name }) => event === "listener_failed" && name === listener, from);
  for (const client of early) assertEquals((await ask(client, "/warm/x")).status, 200);
  const before = sluice.cpuMicros();
  await new Promise((resolve) => setTimeout(resolve, WINDOW_MS));
  const share = (sluice.cpuMicros() - before) / 1000 / WINDOW_MS;
  report(
    `${listener}: ${idle.length} idle connections, ${DESCRIPTORS_MAX} descriptors: ${
      Math.round(share * 100)
    } % of a core`,
  );
  assert(share < 0.5, `It uses ${Math.round(share * 100)} % of a core while it can do nothing`);
  for (const client of early) assertEquals((await ask(client, "/warm/x")).status, 200);
  await disperse(sluice, idle);
  if (listener === "web") {
    assertEquals(eventsOf(sluice, "listener_restored", from), [], "nobody has been served yet");
    const restored = await restoredBy(sluice, from);
    report(JSON.stringify(restored));
  }
  const reply = await get(sluice.address(listener), "/warm/after", {}, { deadlineMs: PATIENCE_MS });
  assertEquals(echoOf(reply).target, "/warm/after");
  assertEquals(eventsOf(sluice, "reload_refused", from), []);
  assertEquals(eventsOf(sluice, "backend_health", from), []);
}

/** `Deno.serve` has no timeout for idle connections: without this, whoever holds them would lock all others out. */
async function outlastIdlers({ sluice }: Stage): Promise<void> {
  const address = sluice.address("web");
  const from = sluice.events.length;
  const idle = await crowd(address, CROWD);
  await sluice.waitForEvent(({ event }) => event === "listener_failed", from);
  const startedMs = performance.now();
  for (let isServed = false; !isServed;) {
    assert(performance.now() - startedMs < 3 * PATIENCE_MS, "New clients find no way in");
    await new Promise((resolve) => setTimeout(resolve, 100));
    isServed = await get(address, "/warm/new").then(({ status }) => status === 200, () => false);
  }
  report(`idle connections gave way after ${Math.round(performance.now() - startedMs)} ms`);
  await disperse(sluice, idle);
  await restoredBy(sluice, from);
}

/** A client that is served has it said. With several workers any of them may serve it. */
async function restoredBy(sluice: SluiceProcess, from: number): Promise<unknown> {
  for (const startedMs = performance.now(); performance.now() - startedMs < PATIENCE_MS;) {
    await get(sluice.address("web"), "/warm/served").catch(() => {});
    const [restored] = eventsOf(sluice, "listener_restored", from);
    if (restored !== undefined) return restored;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("Nobody was told that the listener is restored");
}

/** Dialling and probing need descriptors too; that there are none says nothing about a backend. */
async function exhaustDialling({ sluice, early, backend }: Stage): Promise<void> {
  const from = sluice.events.length;
  const idle = await crowd(sluice.address("wire"), CROWD);
  await exhausted(sluice);
  const replies = await Promise.all(early.map((client) => within(ask(client, "/cold/x"), "an answer")));
  const refused = replies.filter(({ status, text }) => status === 503 && text.includes("descriptors_exhausted"));
  assert(refused.length > 0, replies.map(({ status, text }) => `${status} ${text}`).join());
  const probes = probesOf(backend);
  await new Promise((resolve) => setTimeout(resolve, WINDOW_MS)); // probes find no descriptor meanwhile
  await disperse(sluice, idle);
  await backend.waitFor(() => probesOf(backend) > probes + 1, "probes again", PATIENCE_MS);
  assertEquals(eventsOf(sluice, "backend_health", from), []);
}

function probesOf(backend: ScriptedBackend): number {
  return backend.requests.filter(({ target }) => target === "/healthz").length;
}

/** Neither those that say nothing nor those that never come to the end of their head cost the others anything. */
async function ignoreIdlers({ sluice }: Stage, listener: string): Promise<void> {
  const address = sluice.address(listener);
  const idle = await crowd(address, 1500);
  const dribblers = await crowd(address, 300);
  const drop = new TextEncoder().encode("GET /warm/never HTTP/1.1\r\nHost: a.test\r\nX-Never: e");
  try {
    assertEquals([idle.length, dribblers.length], [1500, 300]);
    for (const dribbler of dribblers) await dribbler.write(drop);
    for (let round = 0; round < 20; round++) {
      for (const dribbler of dribblers.slice(round * 15, round * 15 + 15)) await dribbler.write(drop.subarray(-1));
      assertEquals((await get(address, "/warm/normal", {}, { deadlineMs: PATIENCE_MS })).status, 200);
    }
  } finally {
    await disperse(sluice, [...idle, ...dribblers]);
  }
}

async function fillQueue({ sluice, backend }: { sluice: SluiceProcess; backend: ScriptedBackend }): Promise<void> {
  const address = sluice.address("web");
  const first = await connect(address);
  const second = await connect(address);
  const before = backend.requests.length;
  await first.send("GET /narrow/1?hang HTTP/1.1\r\nHost: a.test\r\n\r\n");
  await backend.waitForRequests(before + 1, PATIENCE_MS);
  await second.send("GET /narrow/2 HTTP/1.1\r\nHost: a.test\r\n\r\n");
  // The second waits in line; whether it stands there yet shows by the third being refused.
  for (;;) {
    using third = await connect(address);
    await third.send("GET /narrow/3 HTTP/1.1\r\nHost: a.test\r\n\r\n");
    const reply = await third.readResponse();
    assertEquals(reply.status, 503);
    assert(reply.field("retry-after") !== null);
    if (reply.text.includes("queue_full")) break;
    assert(reply.text.includes("queue_timeout"), reply.text);
  }
  first.close(); // its exchange ends, and the second's begins
  assertEquals((await second.readResponse()).status, 200);
  second.close();
}

const script: Script = async (exchange) => {
  const { target } = exchange.request;
  if (target === "/healthz") return await exchange.write(response(200, "fine"));
  if (target.startsWith("/cold/") || target.endsWith("?hang")) return await hang()(exchange);
  await echo()(exchange);
};

async function open(descriptorsMax: number, backend: ScriptedBackend): Promise<SluiceProcess> {
  const toml = [
    `[log]\naccess = "off"\n`,
    listenerToml("web"),
    listenerToml("wire", `engine = "wire"`),
    upstreamToml("warm", [backend.url]),
    upstreamToml("cold", [backend.url], {
      keys: `timeouts = { response = "3s" }\nretry = { attempts = 1 }\n` +
        `health = { interval = "1s", timeout = "1s", fall = 1 }\ncircuit = { failures = 100, error_rate = 0.0 }`,
    }),
  ].join("\n");
  return await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS, descriptorsMax });
}

Deno.test("Out of descriptors, sluice serves those it has and comes back for the others", async (t) => {
  await using backend = ScriptedBackend.start(script);
  await using sluice = await open(DESCRIPTORS_MAX, backend);
  const early: RawClient[] = [];
  for (const listener of ["web", "wire", "web", "wire"]) early.push(await connect(sluice.address(listener)));
  const stage: Stage = { sluice, backend, early };
  for (const client of early) assertEquals((await ask(client, "/warm/x")).status, 200);
  await step(t, "serve: a listener that can't accept listens again", () => exhaust(stage, "web"));
  await step(t, "serve: and once more", () => exhaust(stage, "web"));
  await step(t, "wire: a listener that can't accept waits", () => exhaust(stage, "wire"));
  await step(t, "dialling without descriptors is nobody's fault", () => exhaustDialling(stage));
  await step(t, "serve: in the end idle connections give way to new ones", () => outlastIdlers(stage));
  for (const client of early) client.close();
  assertEquals(await sluice.stop(PATIENCE_MS), 0);
});

Deno.test("Crowds cost only those that are in them", async (t) => {
  await using backend = ScriptedBackend.start(script);
  await using sluice = await open(8192, backend);
  const stage: Stage = { sluice, backend, early: [] };
  await step(t, "serve: 1500 idle and 300 dribbling connections", () => ignoreIdlers(stage, "web"));
  await step(t, "wire: 1500 idle and 300 dribbling connections", () => ignoreIdlers(stage, "wire"));
  assertEquals(await sluice.stop(PATIENCE_MS), 0);
});

Deno.test("A full queue answers at once", async () => {
  await using backend = ScriptedBackend.start(script);
  const narrow = upstreamToml("narrow", [backend.url], {
    keys: `pool = { max_connections = 1, queue = 1, queue_timeout = "20s" }`,
  });
  // Each worker has a queue of its own, and three clients have to meet in one.
  const toml = `[server]\n${ONE_WORKER}\n${listenerToml("web")}${narrow}`;
  await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
  await fillQueue({ sluice, backend });
  assertEquals(await sluice.stop(PATIENCE_MS), 0);
});
