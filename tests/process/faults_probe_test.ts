/** Health probes on the wire, and what their verdicts do. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { echo, response, type Script } from "../support/backend_scripts.ts";
import type { BackendRequest } from "../support/backend_exchange.ts";
import { get } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { SLOW_VARIANTS } from "../support/variants.ts";
import { listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";

const INTERVAL_MS = 300;
/** The share of the interval by which probes vary, both ways. */
const JITTER = 0.1;

interface Stage {
  readonly sluice: SluiceProcess;
  readonly backend: ScriptedBackend;
  /** What probes of a path get. */
  readonly answers: Map<string, number>;
  readonly timesMs: Map<string, number[]>;
}

function health(path: string, more = ""): string {
  return `health = { path = "${path}", interval = "${INTERVAL_MS}ms", timeout = "${INTERVAL_MS}ms"${more} }`;
}

function probes({ backend }: Stage, path: string): BackendRequest[] {
  return backend.requests.filter(({ target }) => target === path);
}

function changes({ sluice }: Stage, upstream: string) {
  return sluice.events.filter(({ event, backend }) =>
    event === "backend_health" && String(backend).startsWith(`${upstream}/`)
  );
}

function waitForChange(stage: Stage, upstream: string, to: string, from = 0) {
  const find = () => changes(stage, upstream).slice(from).find((line) => line.to === to);
  return stage.sluice.waitFor(() => find() !== undefined, `${upstream} to be ${to}`, PATIENCE_MS).then(() => find()!);
}

async function untilProbed(stage: Stage, path: string, more: number): Promise<void> {
  const target = probes(stage, path).length + more;
  await stage.backend.waitFor(() => probes(stage, path).length >= target, `${more} probes of ${path}`, PATIENCE_MS);
}

async function showRequest(stage: Stage): Promise<void> {
  await untilProbed(stage, "/plain", 1);
  await untilProbed(stage, "/head", 1);
  const plain = probes(stage, "/plain")[0];
  assertEquals(plain.method, "GET");
  assertEquals(plain.field("host"), stage.backend.address);
  assertEquals(plain.field("connection"), "close");
  const head = probes(stage, "/head")[0];
  assertEquals([head.method, head.field("host")], ["HEAD", "probe.example"]);
}

/** Only the lower bound is sluice's alone: a machine that is busy makes gaps longer. */
async function showJitter(stage: Stage): Promise<void> {
  await untilProbed(stage, "/plain", 12);
  const times = stage.timesMs.get("/plain")!;
  const gaps = times.slice(1).map((ms, index) => ms - times[index]);
  gaps.sort((one, other) => one - other);
  assert(gaps[gaps.length >> 1] >= INTERVAL_MS * (1 - JITTER) - 10, `Gaps were ${gaps.map(Math.round)} ms`);
  assert(new Set(gaps.map(Math.round)).size > 3, `Gaps were ${gaps.map(Math.round)} ms: no jitter`);
}

async function fallAndRise(stage: Stage): Promise<void> {
  const { answers } = stage;
  const from = changes(stage, "strict").length;
  answers.set("/strict", 500);
  const open = await waitForChange(stage, "strict", "open", from);
  assertMatch(String(open.reason), / × 3 \(probe\)$/);
  const passed = probes(stage, "/strict").length;
  answers.set("/strict", 204);
  const back = await waitForChange(stage, "strict", "healthy", from);
  assertEquals(back.reason, "probes_passed × 2 (probe)");
  assert(probes(stage, "/strict").length >= passed + 2);
}

/** 302 passes the default range and not "200". */
async function judgeByRange(stage: Stage): Promise<void> {
  await waitForChange(stage, "exact", "open");
  await untilProbed(stage, "/redirect", 4);
  assertEquals(changes(stage, "ranged"), []);
}

/** One backend, two upstreams that ask it different questions: each goes by the answer to its own. */
async function keepApart(stage: Stage): Promise<void> {
  const { sluice, answers } = stage;
  const web = sluice.address("web");
  answers.set("/sour", 500);
  await untilProbed(stage, "/sour", 2);
  // On a machine that stalled a probe may have timed out before: what counts is that it is out now.
  await sluice.waitFor(() => changes(stage, "sour").at(-1)?.to === "open", "sour to be open", PATIENCE_MS);
  assertEquals(changes(stage, "sweet"), []);
  assertEquals((await get(web, "/sweet/x", {}, { deadlineMs: PATIENCE_MS })).status, 200);
  const refused = await get(web, "/sour/x", {}, { deadlineMs: PATIENCE_MS });
  assertEquals(refused.status, 503);
  assert(refused.field("retry-after") !== null);
  assert(refused.text.includes("backend_unavailable"), refused.text);
}

async function dieAndReturn(stage: Stage): Promise<void> {
  const from = changes(stage, "silent").length;
  stage.answers.set("/silent", 0); // never answers
  const open = await waitForChange(stage, "silent", "open", from);
  assertMatch(String(open.reason), /_timeout × 2 \(probe\)$/);
  stage.answers.set("/silent", 200);
  await waitForChange(stage, "silent", "healthy", from);
}

for (const variant of SLOW_VARIANTS) {
  Deno.test(`${variant.name}: probes say what they are configured to say, and count as configured`, async (t) => {
    const answers = new Map([["/redirect", 302]]);
    const timesMs = new Map<string, number[]>();
    const script: Script = async (exchange) => {
      const { target } = exchange.request;
      if (target.split("/").length > 2) return await echo()(exchange);
      timesMs.set(target, [...timesMs.get(target) ?? [], performance.now()]);
      const status = answers.get(target) ?? 200;
      if (status === 0) return await exchange.wait(exchange.connection.closed);
      await exchange.write(response(status, "", { framing: status === 204 ? "none" : "length" }));
    };
    await using backend = ScriptedBackend.start(script);
    const quick = `circuit = { open = "100ms", max_open = "200ms" }`;
    const upstream = (name: string, keys: string) => upstreamToml(name, [backend.url], { keys });
    const toml = [
      `[log]\naccess = "off"\n`,
      listenerToml("web", variant.listener),
      upstream("plain", health("/plain")),
      upstream("head", health("/head", `, method = "HEAD", host = "probe.example"`)),
      upstream("strict", `${quick}\n${health("/strict", `, expect = "204", rise = 2, fall = 3`)}`),
      upstream("exact", health("/redirect", `, expect = "200"`)),
      upstream("ranged", health("/redirect")),
      upstream("sour", `circuit = { open = "1m" }\n${health("/sour", ", fall = 1")}`),
      upstream("sweet", `circuit = { open = "1m" }\n${health("/sweet", ", fall = 5")}`),
      upstream("silent", `${quick}\n${health("/silent", ", rise = 1, fall = 2")}`),
    ].join("\n");
    await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS, env: variant.env });
    const stage: Stage = { sluice, backend, answers, timesMs };
    answers.set("/strict", 204);
    await step(t, "method, path and Host on the wire", () => showRequest(stage));
    await step(t, "interval and its jitter", () => showJitter(stage));
    await step(t, "fall failures take out, rise passes bring back", () => fallAndRise(stage));
    await step(t, "expect says which statuses pass", () => judgeByRange(stage));
    await step(t, "two upstreams with other probes of one backend judge for themselves", () => keepApart(stage));
    await step(t, "a probe that is not answered has failed", () => dieAndReturn(stage));
    assertEquals(await sluice.stop(PATIENCE_MS), 0);
  });
}
