/** What the circuit, the budget and the rules about groups do to the traffic, seen at the backends. */

import { assert, assertEquals } from "../support/assert.ts";
import { answer, closeBeforeHead, closeMidway, echo, response, type Script } from "../support/backend_scripts.ts";
import { Load } from "../support/load.ts";
import { get, RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { type Variant, VARIANTS } from "../support/variants.ts";
import { listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";

/** Retries that a quiet upstream has in any case. */
const BUDGET_FLOOR = 10;
const NO_RETRY = `retry = { attempts = 1 }`;

interface Stage {
  readonly sluice: SluiceProcess;
  readonly four: readonly ScriptedBackend[];
}

const unwell: Script = (exchange) => exchange.write(response(503, "", { fields: [["X-Backend", exchange.backend]] }));

function useAll({ four }: Stage, scripts: readonly Script[]): void {
  four.forEach((backend, index) => backend.use(scripts[index % scripts.length]));
}

/** Requests one after another. @returns How many each backend got; "none" for answers of sluice's own. */
async function send({ sluice, four }: Stage, upstream: string, count: number): Promise<number[]> {
  const before = four.map(({ requests }) => requests.length);
  // Over one connection, and so through one worker: budgets are each worker's own.
  using client = await RawClient.connect(sluice.address("web"), { deadlineMs: PATIENCE_MS });
  for (let index = 0; index < count; index++) {
    await client.send(`GET /${upstream}/${index} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    await client.readResponse();
  }
  return four.map(({ requests }, index) => requests.length - before[index]);
}

function opened({ sluice }: Stage, upstream: string): Set<unknown> {
  const lines = sluice.events.filter(({ event, to }) => event === "backend_health" && to === "open");
  return new Set(lines.map(({ backend }) => backend).filter((name) => String(name).startsWith(`${upstream}/`)));
}

async function untilOpen(stage: Stage, upstream: string, count: number): Promise<void> {
  for (let round = 0; round < 50 && opened(stage, upstream).size < count; round++) await send(stage, upstream, 4);
  await stage.sluice.waitFor(() => opened(stage, upstream).size >= count, `${count} open circuits of ${upstream}`);
}

async function storm(stage: Stage): Promise<void> {
  const { sluice, four } = stage;
  useAll(stage, [unwell]);
  const before = four.reduce((sum, { requests }) => sum + requests.length, 0);
  await using load = new Load({ address: sluice.address("web"), target: () => "/storm/x", clients: 8 });
  await load.more(600);
  await load.stop();
  const attempts = four.reduce((sum, { requests }) => sum + requests.length, 0) - before;
  const most = load.done * 1.2 + BUDGET_FLOOR;
  if (Deno.env.has("SLUICE_TEST_REPORT")) {
    console.log(
      `503 storm: ${load.done} requests made ${attempts} attempts (${(attempts / load.done).toFixed(3)} each)`,
    );
  }
  assert(attempts <= most, `${attempts} attempts for ${load.done} requests`);
  assert(attempts > load.done, "The budget is there to be used");
  assertEquals(load.outcomes.get("503"), load.done);
}

/** The circuit has to open before the budget of few requests is spent. */
async function loseOne({ sluice, four }: Stage): Promise<void> {
  four.forEach((backend, index) => backend.use(index === 0 ? closeBeforeHead() : echo()));
  using client = await RawClient.connect(sluice.address("web"), { deadlineMs: PATIENCE_MS });
  for (let index = 0; index < 24; index++) {
    await client.send(`GET /quiet/${index} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    assertEquals((await client.readResponse()).status, 200, `request ${index}`);
  }
  await sluice.waitFor(() => opened({ sluice, four }, "quiet").size === 1, "the circuit of the one that died");
}

/** A budget is a share of what comes: with nothing else coming it is its floor. */
async function exhaustBudget(stage: Stage): Promise<void> {
  useAll(stage, [unwell]);
  const counts = await send(stage, "poor", 8);
  assertEquals(counts.reduce((sum, count) => sum + count), 8 + BUDGET_FLOOR);
}

async function openByStatus(stage: Stage): Promise<void> {
  useAll(stage, [unwell, echo(), echo(), echo()]);
  await untilOpen(stage, "status", 1);
  assertEquals((await send(stage, "status", 20))[0], 0);
}

async function tolerateOtherStatuses(stage: Stage): Promise<void> {
  useAll(stage, [answer(response(500, ""))]);
  await send(stage, "tolerant", 60);
  assertEquals(opened(stage, "tolerant").size, 0);
}

/** The good head of a response that breaks off once cleared the streak that the break then began anew. */
async function openByBrokenBodies(stage: Stage): Promise<void> {
  useAll(stage, [closeMidway("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")]);
  const address = stage.sluice.address("web");
  for (let round = 0; round < 40 && opened(stage, "broken").size < 4; round++) {
    await get(address, "/broken/x", {}, { deadlineMs: PATIENCE_MS }).catch(() => {});
  }
  await stage.sluice.waitFor(() => opened(stage, "broken").size === 4, "all circuits of broken to open");
}

async function spareHalf(stage: Stage): Promise<void> {
  useAll(stage, [unwell]);
  await untilOpen(stage, "half", 4);
  const counts = await send(stage, "half", 40);
  assertEquals(counts.filter((count) => count > 0).length, 2, `Went to ${counts}`);
}

async function panic(stage: Stage): Promise<void> {
  useAll(stage, [unwell, unwell, unwell, echo()]);
  await untilOpen(stage, "panic", 3);
  const counts = await send(stage, "panic", 40);
  assertEquals(counts.filter((count) => count > 0).length, 4, `Went to ${counts}`);
}

async function spareLast(stage: Stage): Promise<void> {
  useAll(stage, [unwell]);
  await untilOpen(stage, "last", 4);
  const counts = await send(stage, "last", 20);
  assertEquals(counts.filter((count) => count > 0).length, 1, `Went to ${counts}`);
}

/** Comes back at a tenth of its share. The ramp takes so long that even a slow machine sees its beginning. */
async function ramp(stage: Stage): Promise<void> {
  const { sluice } = stage;
  useAll(stage, [unwell, echo(), echo(), echo()]);
  await untilOpen(stage, "ramp", 1);
  useAll(stage, [echo()]);
  const isBack = () =>
    sluice.events.some(({ backend, to }) => String(backend).startsWith("ramp/") && to === "slow_start");
  while (!isBack()) await send(stage, "ramp", 4);
  const counts = await send(stage, "ramp", 200);
  assert(counts[0] >= 1 && counts[0] <= 25, `Of 200 requests ${counts} went to the four`);
}

async function standIn(stage: Stage): Promise<void> {
  useAll(stage, [unwell, unwell, unwell, echo()]);
  assertEquals((await send(stage, "backup", 3))[3], 0);
  await untilOpen(stage, "backup", 3);
  assertEquals(await send(stage, "backup", 12), [0, 0, 0, 12]);
}

function configOf(urls: readonly string[], { listener }: Variant): string {
  const long = `open = "4m", max_open = "5m"`;
  // Settings that differ make machines that differ: health is not shared between these upstreams.
  const circuit = (failures: number, more = "") => `circuit = { failures = ${failures}, ${long}${more} }`;
  const withBackup = urls.map((url, index) => `{ url = "${url}", backup = ${index === 3} }`);
  return [
    `[log]\naccess = "off"\n`,
    listenerToml("web", listener),
    upstreamToml("storm", urls, {
      keys: `circuit = { failures = 0, error_rate = 0.0 }\n` +
        `retry = { attempts = 3, on = [503], budget = 0.2, backoff = { initial = "1ms", max = "2ms" } }`,
    }),
    upstreamToml("poor", urls, {
      keys: `circuit = { failures = 0, error_rate = 0.0 }\n` +
        `retry = { attempts = 3, on = [503], budget = 0.01, backoff = { initial = "1ms", max = "2ms" } }`,
    }),
    upstreamToml("quiet", urls, { keys: `circuit = { open = "3m", max_open = "5m" }` }),
    upstreamToml("status", urls, { keys: `${NO_RETRY}\n${circuit(2)}` }),
    upstreamToml("tolerant", urls, { keys: `${NO_RETRY}\n${circuit(3)}` }),
    upstreamToml("broken", urls, { keys: `${NO_RETRY}\n${circuit(3, ", error_rate = 0.0")}` }),
    upstreamToml("half", urls, { keys: `${NO_RETRY}\n${circuit(4, ", max_ejected = 50")}` }),
    upstreamToml("panic", urls, { keys: `panic_threshold = 50\n${NO_RETRY}\n${circuit(5)}` }),
    upstreamToml("last", urls, { keys: `${NO_RETRY}\n${circuit(6)}` }),
    upstreamToml("ramp", urls, {
      keys: `slow_start = "10m"\n${NO_RETRY}\ncircuit = { failures = 7, open = "200ms", max_open = "400ms" }`,
    }),
    upstreamToml("backup", withBackup, { keys: `${NO_RETRY}\n${circuit(8)}` }),
  ].join("\n");
}

const CASES: ReadonlyArray<readonly [name: string, run: (stage: Stage) => Promise<void>]> = [
  ["a storm of 503 is not multiplied beyond the budget", storm],
  ["a budget that is spent ends the retries", exhaustBudget],
  ["a backend that dies costs a quiet upstream no request", loseOne],
  ["statuses that count open a circuit", openByStatus],
  ["other statuses open none", tolerateOtherStatuses],
  ["responses that break off open a circuit", openByBrokenBodies],
  ["max_ejected = 50 freeList half of a group that is all bad", spareHalf],
  ["the last one that answers is spared", spareLast],
  ["panic_threshold = 50 uses all when three of four are out", panic],
  ["slow_start brings a backend back bit by bit", ramp],
  ["a backup stands in when all others are out", standIn],
];

for (const variant of VARIANTS) {
  Deno.test(`${variant.name}: circuits, budgets and groups, seen at the backends`, async (t) => {
    await using a = ScriptedBackend.start(echo(), { name: "a" });
    await using b = ScriptedBackend.start(echo(), { name: "b" });
    await using c = ScriptedBackend.start(echo(), { name: "c" });
    await using d = ScriptedBackend.start(echo(), { name: "d" });
    const four = [a, b, c, d];
    await using sluice = await SluiceProcess.start(configOf(four.map(({ url }) => url), variant), {
      deadlineMs: PATIENCE_MS,
      env: variant.env,
    });
    const stage: Stage = { sluice, four };
    for (const [name, run] of CASES) await step(t, name, () => run(stage));
    assertEquals(await sluice.stop(PATIENCE_MS), 0);
  });
}
