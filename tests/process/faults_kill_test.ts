/** Backends that die, freeze and come back, as processes, under traffic through the running proxy. */

import { assert, assertEquals } from "../support/assert.ts";
import { ChildBackend } from "../support/child_backend.ts";
import { Load } from "../support/load.ts";
import { get } from "../support/raw_client.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { SLOW_VARIANTS, type Variant } from "../support/variants.ts";
import { listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";

const QUICK_CIRCUIT = `circuit = { open = "200ms", max_open = "400ms" }`;

function configOf({ listener }: Variant, urls: readonly string[], pair: readonly string[]): string {
  return [
    `[log]\naccess = "off"\n`,
    listenerToml("web", listener),
    upstreamToml("kill", urls, { keys: QUICK_CIRCUIT }),
    upstreamToml("piped", urls, { keys: `${QUICK_CIRCUIT}\npool.pipelining = 8` }),
    upstreamToml("freeze", urls, {
      keys: `${QUICK_CIRCUIT}\ntimeouts = { connect = "400ms", response = "400ms", total = "20s" }\n` +
        `retry = { on = ["connect", "reset", "timeout"], attempts = 3, budget = 1.0 }`,
    }),
    upstreamToml("post", urls, {
      keys: `circuit = { open = "100ms", max_open = "200ms" }\n` +
        `retry = { on = ["connect", "reset", "timeout", 502, 503], attempts = 4, budget = 1.0 }`,
    }),
    upstreamToml("pair", pair, {
      keys: `${QUICK_CIRCUIT}\nhealth = { interval = "500ms", timeout = "500ms", rise = 1, fall = 3 }`,
    }),
  ].join("\n");
}

interface Stage {
  readonly sluice: SluiceProcess;
  readonly web: string;
  readonly three: readonly ChildBackend[];
  readonly pair: readonly ChildBackend[];
}

function report(text: string): void {
  if (Deno.env.has("SLUICE_TEST_REPORT")) console.log(text);
}

function loadOn(stage: Stage, target: string, method: "GET" | "POST" = "GET"): Load {
  return new Load({ address: stage.web, target: () => target, method });
}

/** ms from now until a backend answers in a load. */
async function returnOf(load: Load, backend: ChildBackend): Promise<number> {
  const before = load.backends.get(backend.name) ?? 0;
  const startedMs = performance.now();
  await load.until(() => (load.backends.get(backend.name) ?? 0) > before + 3, `${backend.name} to serve again`);
  return Math.round(performance.now() - startedMs);
}

async function killOne(stage: Stage, target: string, clients: number): Promise<void> {
  const [, victim] = stage.three;
  await using load = new Load({ address: stage.web, target: () => target, clients });
  await load.more(200);
  const from = stage.sluice.events.length;
  const killedMs = performance.now();
  const killing = victim.kill();
  await stage.sluice.waitForEvent(({ event, to }) => event === "backend_health" && to === "open", from);
  const ejectMs = Math.round(performance.now() - killedMs);
  await killing;
  await load.more(500);
  await victim.restart();
  const returnMs = await returnOf(load, victim);
  await load.stop();
  report(`kill -9 of one of three, ${target}: ${load}; out after ${ejectMs} ms, back after ${returnMs} ms`);
  assertEquals(load.failed, 0, String(load));
}

/** A response timeout once ended the whole exchange, so that `on = ["timeout"]` never retried anything. */
async function freezeOne(stage: Stage): Promise<void> {
  const [, , victim] = stage.three;
  await using load = loadOn(stage, "/freeze/x");
  await load.more(200);
  const from = stage.sluice.events.length;
  victim.freeze();
  try {
    await stage.sluice.waitForEvent(({ event, to }) => event === "backend_health" && to === "open", from);
    await load.more(300);
  } finally {
    victim.thaw();
  }
  const returnMs = await returnOf(load, victim);
  await load.stop();
  report(`SIGSTOP of one of three: ${load}; back after ${returnMs} ms`);
  assertEquals(load.failed, 0, String(load));
}

/** A POST that may have been carried out is never sent again: its client gets the error, and decides. */
async function killUnderPosts(stage: Stage): Promise<void> {
  const before = stage.three.map(({ posts }) => posts.length);
  await using load = loadOn(stage, "/post/x?do=slow", "POST");
  for (let round = 0; round < 6; round++) {
    const victim = stage.three[round % 3];
    await load.more(20);
    await victim.kill();
    await load.more(20);
    await victim.restart();
  }
  await load.stop();
  for (const backend of stage.three) await backend.kill(); // all that they printed is here then
  const executions = stage.three.flatMap(({ posts }, index) => posts.slice(before[index]));
  const distinct = new Set(executions);
  report(`kills under POSTs: ${load}; ${executions.length} executions of ${distinct.size} requests`);
  assertEquals(executions.length, distinct.size, "A POST was carried out twice");
  assertEquals([...load.answered].filter((id) => !distinct.has(id)), []);
  assert(load.ok > 100, String(load));
  for (const backend of stage.three) await backend.restart();
}

async function killAll(stage: Stage): Promise<void> {
  const { sluice, web, pair } = stage;
  const from = sluice.events.length;
  const opened = () =>
    sluice.events.slice(from).filter((line) => line.event === "backend_health" && line.to === "open");
  for (const backend of pair) await backend.kill();
  const names = () => new Set(opened().map(({ backend }) => backend));
  await sluice.waitFor(() => names().size === 2, "both backends to be out", PATIENCE_MS);
  for (let round = 0; round < 20; round++) {
    const startedMs = performance.now();
    const reply = await get(web, "/pair/x", {}, { deadlineMs: PATIENCE_MS });
    assert([502, 503].includes(reply.status), `Got ${reply.status}`);
    if (reply.status === 503) assert(reply.field("retry-after") !== null, "A 503 says when to come back");
    assert(performance.now() - startedMs < 10_000);
  }
  const restarted = sluice.events.length;
  const startedMs = performance.now();
  for (const backend of pair) await backend.restart();
  const upMs = performance.now();
  const returned = () =>
    new Set(
      sluice.events.slice(restarted).filter((line) => line.event === "backend_health" && line.to === "healthy")
        .map(({ backend }) => backend),
    );
  await using load = loadOn(stage, "/pair/x"); // what traffic has closed, a request has to open
  await sluice.waitFor(() => returned().size === 2, "both backends to be back", PATIENCE_MS);
  await load.stop();
  report(
    `all down: back ${Math.round(performance.now() - upMs)} ms after the last of them listened, ${
      Math.round(performance.now() - startedMs)
    } ms after the first was started`,
  );
  assertEquals((await get(web, "/pair/x", {}, { deadlineMs: PATIENCE_MS })).status, 200);
}

/** A probe that passes must not bring back what traffic has shown to fail. */
async function deceive(stage: Stage): Promise<void> {
  const { sluice, web, pair: [liar, other] } = stage;
  await liar.control({ what: "503", health: 200 });
  const from = sluice.events.length;
  await using load = new Load({ address: web, target: () => "/pair/x" });
  const ofLiar = () =>
    sluice.events.slice(from).filter((line) =>
      line.event === "backend_health" && String(line.backend).includes(`:${liar.port}`)
    );
  await sluice.waitFor(() => ofLiar().some(({ to }) => to === "open"), "the liar to be out", PATIENCE_MS);
  const { probes } = await liar.count();
  while ((await liar.count()).probes < probes + 8) await load.more(50);
  await load.stop();
  const toHealthy = ofLiar().filter(({ to }) => to === "healthy" || to === "slow_start");
  assertEquals(toHealthy, []);
  const bad = load.outcomes.get("503") ?? 0;
  const openings = ofLiar().filter(({ to }) => to === "open").length;
  report(`200 for probes, 503 for requests: ${load}; opened ${openings} times`);
  // Five in a row open the circuit; from then on each opening costs the one request of its trial.
  assert(bad <= 5 + 4 + openings, `${bad} failures with ${openings} openings`);
  assert((load.backends.get(other.name) ?? 0) > 100);
  await liar.control({});
}

for (const variant of SLOW_VARIANTS) {
  Deno.test(`${variant.name}: backends that die, freeze and come back cost no GET and repeat no POST`, async (t) => {
    await using a = await ChildBackend.start("a");
    await using b = await ChildBackend.start("b");
    await using c = await ChildBackend.start("c");
    await using d = await ChildBackend.start("d");
    await using e = await ChildBackend.start("e");
    const three = [a, b, c];
    const pair = [d, e];
    await using sluice = await SluiceProcess.start(
      configOf(variant, three.map(({ url }) => url), pair.map(({ url }) => url)),
      { deadlineMs: PATIENCE_MS, env: variant.env },
    );
    const stage: Stage = { sluice, web: sluice.address("web"), three, pair };
    await step(t, "kill -9 of one of three fails no GET", () => killOne(stage, "/kill/x", 4));
    await step(t, "nor where requests are pipelined", () => killOne(stage, "/piped/x", 16));
    await step(t, "SIGSTOP of one of three fails no GET", () => freezeOne(stage));
    await step(t, "kills under POSTs carry out none twice", () => killUnderPosts(stage));
    await step(t, "passing probes do not bring back what traffic closed", () => deceive(stage));
    await step(
      t,
      "with all down clients hear it at once, and no longer than the backends are down",
      () => killAll(stage),
    );
    assertEquals(await sluice.stop(PATIENCE_MS), 0);
  });
}
