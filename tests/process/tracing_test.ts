/** Traces end to end: what backends are told, and what a collector gets. */

import { assert, assertEquals, assertInRange } from "../support/assert.ts";
import { answer, closeBeforeHead, echo, hang, response, tunnelEcho } from "../support/backend_scripts.ts";
import { OtlpReceiver, type ServedTrace } from "../support/otlp_receiver.ts";
import type { RawResponse } from "../support/raw_client.ts";
import { freePort, ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { WsBackend } from "../support/ws_backend.ts";
import { WsClient } from "../support/ws_client.ts";
import { connect, PATIENCE_MS, upstreamToml } from "../support/proxy_stage.ts";
import { ENGINES, LISTENERS, seen, send, SPAN, told, TRACE, tracingToml } from "./tracing_stage.ts";

const UNSAMPLED_TRACE = TRACE.replace("0", "1");
const THRICE = `[upstreams.both.retry]\nattempts = 3\nbudget = 1.0\non = ["connect", "reset", 503]\n`;

interface Stage {
  readonly sluice: SluiceProcess;
  readonly receiver: OtlpReceiver;
  readonly backend: ScriptedBackend;
  readonly other: ScriptedBackend;
  readonly ws: WsBackend;
  readonly engine: typeof ENGINES[number];
}

function sendTo({ sluice, engine }: Stage, target: string, ...lines: string[]): Promise<RawResponse> {
  return send(sluice.address(engine), target, ...lines);
}

/** The trace of the one request with this path. */
function traceOf({ receiver, engine }: Stage, path: string): Promise<ServedTrace> {
  const name = `${path}-${engine}`;
  return receiver.waitForServer(({ attributes }) => attributes["url.path"] === name, PATIENCE_MS);
}

async function plain(stage: Stage): Promise<void> {
  const { engine, backend } = stage;
  const before = Date.now();
  const reply = await sendTo(stage, `/api/plain-${engine}?token=secret`, "User-Agent: test/1");
  const [traceId, spanId, flags] = told(reply);
  assertEquals(flags, "01");
  assertEquals(seen(reply, "tracestate"), []);
  const { server, attempts: [attempt, ...more] } = await traceOf(stage, "/api/plain");
  assertEquals(more, []);
  const { "sluice.request_id": requestId, ...attributes } = server.attributes;
  assertEquals(requestId, seen(reply, "x-request-id")[0]);
  assertEquals({ ...server, attributes }, {
    service: "edge",
    name: "GET /api/*",
    kind: "server",
    traceId,
    spanId: attempt.parentId,
    parentId: "",
    tracestate: "",
    isParentRemote: false,
    startMs: server.startMs,
    endMs: server.endMs,
    attributes: {
      "http.request.method": "GET",
      "url.scheme": "http",
      "url.path": `/api/plain-${engine}`,
      "network.protocol.version": "1.1",
      "server.address": "shop.test",
      "server.port": 81,
      "client.address": "127.0.0.1",
      "network.peer.address": "127.0.0.1",
      "user_agent.original": "test/1",
      "http.response.status_code": 200,
      "http.route": "/api/*",
      "sluice.route": "api",
      "sluice.upstream": "api",
      "sluice.backend": backend.address,
    },
    events: [],
    isError: false,
  });
  assertEquals(attempt, {
    service: "edge",
    name: "GET",
    kind: "client",
    traceId,
    spanId,
    parentId: server.spanId,
    tracestate: "",
    isParentRemote: false,
    startMs: attempt.startMs,
    endMs: attempt.endMs,
    attributes: {
      "http.request.method": "GET",
      "server.address": "127.0.0.1",
      "server.port": backend.port,
      "sluice.upstream": "api",
      "sluice.backend": backend.address,
      "url.full": `${backend.url}/api/plain-${engine}`,
      "http.response.status_code": 200,
      "network.protocol.version": "1.1",
    },
    events: attempt.events,
    isError: false,
  });
  assertEquals(attempt.events.map(({ name }) => name), ["sluice.connected", "sluice.response_head"]);
  const times = [server.startMs, attempt.startMs, ...attempt.events.map(({ atMs }) => atMs), attempt.endMs];
  assertEquals(times, times.toSorted((one, other) => one - other));
  assert(server.endMs >= attempt.endMs);
  // An epoch clock of whole milliseconds, and a little for its adjustment.
  assertInRange(server.startMs, before - 50, server.endMs);
  assertInRange(server.endMs, server.startMs, Date.now() + 50);
}

async function parent(stage: Stage): Promise<void> {
  const path = `/api/parent-${stage.engine}`;
  const reply = await sendTo(stage, path, `traceparent: 00-${TRACE}-${SPAN}-01`, "Tracestate: a=1", "tracestate: b=2");
  assertEquals(seen(reply, "tracestate"), ["a=1,b=2"]);
  const [traceId, spanId, flags] = told(reply);
  assertEquals([traceId, flags], [TRACE, "01"]);
  const { server, attempts } = await traceOf(stage, "/api/parent");
  assertEquals([server.traceId, server.parentId, server.isParentRemote, server.tracestate], [
    TRACE,
    SPAN,
    true,
    "a=1,b=2",
  ]);
  const own = attempts.filter(({ parentId }) => parentId === server.spanId);
  assertEquals(own.map((attempt) => attempt.spanId), [spanId]);
  assert(![SPAN, server.spanId].includes(spanId));
}

/** Somebody has decided already, and nothing of it is changed. */
async function unsampledParent(stage: Stage): Promise<void> {
  const path = `/api/unsampled-${stage.engine}`;
  const given = `00-${UNSAMPLED_TRACE}-${SPAN}-00`;
  const reply = await sendTo(stage, path, `traceparent: ${given}`, "tracestate: a=1");
  assertEquals([seen(reply, "traceparent"), seen(reply, "tracestate")], [[given], ["a=1"]]);
}

async function invalidParent(stage: Stage): Promise<void> {
  const invalid = [`00-${TRACE}-${SPAN}-01-x`, `00-${"0".repeat(32)}-${SPAN}-01`, "junk"];
  for (const [index, given] of invalid.entries()) {
    const path = `/api/invalid${index}-${stage.engine}`;
    const reply = await sendTo(stage, path, `traceparent: ${given}`, "tracestate: a=1");
    assert(told(reply)[0] !== TRACE);
    assertEquals(seen(reply, "tracestate"), []);
  }
  for (const index of invalid.keys()) {
    assertEquals((await traceOf(stage, `/api/invalid${index}`)).server.parentId, "");
  }
}

async function retry(stage: Stage): Promise<void> {
  const { backend, other, engine } = stage;
  backend.use([closeBeforeHead(), echo()]);
  other.use([closeBeforeHead(), echo()]);
  const [traceId, spanId] = told(await sendTo(stage, `/both/retry-${engine}`));
  const { server, attempts } = await traceOf(stage, "/both/retry");
  // Two, when a pooled connection was closed and its backend was asked again on a new one.
  const failed = attempts.slice(0, -1);
  assertInRange(failed.length, 1, 2);
  for (const [index, { attributes, isError }] of attempts.entries()) {
    const hasFailed = index < failed.length;
    assertEquals([attributes["error.type"] ?? "", isError], [hasFailed ? "connection_reset" : "", hasFailed]);
    assertEquals(attributes["http.request.resend_count"] ?? 0, index);
    assertEquals(attributes["sluice.retry.reason"] ?? "", index > 0 ? "connection_reset" : "");
  }
  assertEquals([server.traceId, attempts.at(-1)!.spanId], [traceId, spanId]);
  assertEquals(new Set(attempts.map(({ parentId }) => parentId)), new Set([server.spanId]));
  assertEquals(new Set(attempts.map((attempt) => attempt.spanId)).size, attempts.length);
  assertEquals(
    server.events.map(({ name, attributes }) => `${name} ${attributes["sluice.retry.reason"]}`),
    failed.map(() => "sluice.retry connection_reset"),
  );
  assertEquals(server.isError, false);
  backend.use(echo());
  other.use(echo());
}

async function statusRetry(stage: Stage): Promise<void> {
  const { backend, other, engine } = stage;
  const busy = answer(response(503, "busy"));
  backend.use(busy);
  other.use(busy);
  assertEquals((await sendTo(stage, `/both/status-${engine}`)).status, 503);
  const { server, attempts } = await traceOf(stage, "/both/status");
  assertEquals([server.attributes["error.type"], server.isError], ["503", true]);
  assertEquals(attempts.map(({ attributes }) => [attributes["http.response.status_code"], attributes["error.type"]]), [
    [503, "503"],
    [503, "503"],
    [503, "503"],
  ]);
  assertEquals(attempts[1].attributes["sluice.retry.reason"], "status_503");
  backend.use(echo());
  other.use(echo());
}

async function refused(stage: Stage): Promise<void> {
  assertEquals((await sendTo(stage, `/dead/refused-${stage.engine}`)).status, 502);
  const { server, attempts: [attempt] } = await traceOf(stage, "/dead/refused");
  assertEquals([server.attributes["http.response.status_code"], server.attributes["error.type"], server.isError], [
    502,
    "connect_refused",
    true,
  ]);
  assertEquals([attempt.attributes["error.type"], attempt.isError], ["connect_refused", true]);
  assertEquals(Object.hasOwn(attempt.attributes, "http.response.status_code"), false);
  assertEquals(attempt.events, []);
}

async function clientGone(stage: Stage): Promise<void> {
  const { backend, sluice, engine } = stage;
  const count = backend.requests.length;
  backend.use(hang());
  using client = await connect(sluice.address(engine));
  await client.send(`GET /api/gone-${engine} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  await backend.waitForRequests(count + 1, PATIENCE_MS);
  if (engine === "wire") client.reset();
  else client.close();
  const { server, attempts: [attempt] } = await traceOf(stage, "/api/gone");
  // Nobody's fault on this side.
  assertEquals([server.attributes["error.type"], server.isError], ["client_gone", false]);
  assertEquals(attempt.attributes["error.type"], "client_gone");
  backend.use(echo());
}

/** No attempt, no status of a backend; a method that nobody knows is not a label. */
async function local(stage: Stage): Promise<void> {
  const { sluice, engine } = stage;
  using client = await connect(sluice.address(engine));
  await client.send(`BREW /nowhere-${engine} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  assertEquals((await client.readResponse()).status, 404);
  const { server, attempts } = await traceOf(stage, "/nowhere");
  assertEquals(attempts, []);
  assertEquals([server.name, server.isError, server.attributes["error.type"]], ["HTTP", false, "route_not_found"]);
  assertEquals(Object.hasOwn(server.attributes, "http.route"), false);
  assertEquals([server.attributes["http.request.method"], server.attributes["http.request.method_original"]], [
    "_OTHER",
    "BREW",
  ]);
}

/** Its spans are there when it has ended, and not before. */
async function webSocket(stage: Stage): Promise<void> {
  const { receiver, sluice, engine } = stage;
  const path = `/ws/chat-${engine}`;
  {
    await using socket = await WsClient.open(`ws://${sluice.address(engine)}${path}`);
    socket.send("hello");
    assertEquals(await socket.next(), "hello");
    await sendTo(stage, `/api/meanwhile-${engine}`);
    await traceOf(stage, "/api/meanwhile");
    assertEquals(receiver.spans.filter(({ attributes }) => attributes["url.path"] === path), []);
  }
  const { server, attempts: [attempt] } = await traceOf(stage, "/ws/chat");
  assertEquals([server.attributes["http.response.status_code"], server.isError], [101, false]);
  assertEquals([attempt.attributes["http.response.status_code"], attempt.isError], [101, false]);
  const { server: meanwhile } = await traceOf(stage, "/api/meanwhile");
  assert(server.startMs < meanwhile.startMs && attempt.endMs > meanwhile.endMs);
}

async function tunnel(stage: Stage): Promise<void> {
  const { backend, sluice, engine } = stage;
  backend.use(tunnelEcho("chat"));
  using client = await connect(sluice.address(engine));
  await client.send(
    `GET /api/tunnel-${engine} HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n`,
  );
  assertEquals((await client.readResponseHead()).status, 101);
  await client.send("ping");
  assertEquals(new TextDecoder().decode(await client.source.readExactly(4)), "ping");
  await client.closeWrite();
  const { server, attempts: [attempt] } = await traceOf(stage, "/api/tunnel");
  assertEquals([server.attributes["http.response.status_code"], attempt.isError], [101, false]);
  backend.use(echo());
}

/** A route can keep them from a backend that is not to know. */
async function removed(stage: Stage): Promise<void> {
  const path = `/foreign/removed-${stage.engine}`;
  const reply = await sendTo(stage, path, `traceparent: 00-${TRACE}-${SPAN}-01`, "tracestate: a=1");
  assertEquals([seen(reply, "traceparent"), seen(reply, "tracestate")], [[], []]);
  await traceOf(stage, "/foreign/removed");
}

const STEPS: ReadonlyArray<readonly [name: string, run: (stage: Stage) => Promise<void>, only?: "wire"]> = [
  ["a request is a server span and a client span below it", plain],
  ["a sampled trace of the client goes on", parent],
  ["a trace that the client does not sample passes as it came", unsampledParent],
  ["an invalid traceparent begins a new trace, without its tracestate", invalidParent],
  ["each attempt is a span of its own, with why it was repeated", retry],
  ["a status that is repeated names itself", statusRetry],
  ["a backend that refuses is an error of both", refused],
  ["a client that leaves is no error of the server", clientGone],
  ["an answer of our own has no attempt", local],
  ["a WebSocket's spans end with it", webSocket],
  ["a tunnel's spans end with it", tunnel, "wire"],
  ["a route that removes the fields sends none", removed],
];

Deno.test("tracing: what backends are told and a collector gets", async (t) => {
  // Side by side, because most of it is waiting until spans are sent.
  await Promise.all(ENGINES.map((engine) => stepsOn(t, engine)));
});

async function stepsOn(t: Deno.TestContext, engine: typeof ENGINES[number]): Promise<void> {
  await using receiver = OtlpReceiver.start();
  await using backend = ScriptedBackend.start();
  await using other = ScriptedBackend.start();
  await using ws = WsBackend.start();
  await using sluice = await SluiceProcess.start(
    LISTENERS + tracingToml(receiver.url, 1) +
      upstreamToml("api", [backend.url], { sections: patient("api") + "[upstreams.api.retry]\nattempts = 1\n" }) +
      upstreamToml("both", [backend.url, other.url], { sections: patient("both") + THRICE }) +
      upstreamToml("dead", [`http://127.0.0.1:${freePort()}`], { sections: patient("dead") }) +
      upstreamToml("ws", [ws.url]) +
      upstreamToml("foreign", [backend.url]) +
      `request_headers = { remove = ["traceparent", "tracestate"] }\n`,
    { deadlineMs: PATIENCE_MS },
  );
  const stage = { sluice, receiver, backend, other, ws, engine };
  for (const [name, run, only] of STEPS) {
    if (only !== undefined && only !== engine) continue;
    const free = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };
    await t.step({ name: `${engine}: ${name}`, fn: () => run(stage), ...free });
  }
  assertEquals(receiver.spans.filter(({ traceId }) => traceId === UNSAMPLED_TRACE), []);
  assertEquals(await sluice.stop(), 0);
}

/** Failures are what is looked at here, not who is spared after them. */
function patient(upstream: string): string {
  return `[upstreams.${upstream}.circuit]\nfailures = 1000\nmin_requests = 1000\n`;
}
