/** WebSocket through the running proxy, over a cleartext and a TLS listener. */

import { encodeFrame } from "../../lib/websocket/frame_encoder.ts";
import { Opcode } from "../../lib/websocket/frames.ts";
import { acceptOf } from "../../lib/websocket/handshake.ts";
import {
  accessOf,
  connect,
  listenerToml,
  MemoryWatch,
  PATIENCE_MS,
  step,
  upstreamToml,
  within,
} from "../support/proxy_stage.ts";
import { handshake, RawWebSocket } from "./raw_websocket.ts";
import { assertEquals, assertInRange } from "../support/assert.ts";
import type { ScriptedExchange } from "../support/backend_exchange.ts";
import { answer, hang, response, type Script } from "../support/backend_scripts.ts";
import { testCertificates } from "../support/certificates.ts";
import type { RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { WsBackend } from "../support/ws_backend.ts";

const MEBIBYTE = 1024 * 1024;
const CLOSES = [
  { code: 1000, reason: "" },
  { code: 1001, reason: "leaving" },
  { code: 3000, reason: "ü" },
  { code: 4321, reason: "why" },
] as const;
/** Messages of 1 MiB: more than all buffers between can take. */
const FLOOD_MESSAGES = 160;
/** Buffers of the sockets on both hops (20 MiB), the bridge to the client (4 MiB and a read) and Deno, rounded up. */
const BETWEEN_BYTES_MAX = 80 * MEBIBYTE;

interface Stage {
  readonly sluice: SluiceProcess;
  readonly messages: WsBackend;
  readonly frames: ScriptedBackend;
  readonly label: string;
  dial(): Promise<RawClient>;
}

let opened = 0;

/** Each WebSocket has a target of its own, to be found in the access log. */
function targetOf(upstream: "messages" | "frames"): string {
  return `/${upstream}/${++opened}`;
}

async function open(stage: Stage, upstream: "messages" | "frames", target = targetOf(upstream)): Promise<RawWebSocket> {
  return await RawWebSocket.open(await stage.dial(), target);
}

async function agree(exchange: ScriptedExchange): Promise<void> {
  const accept = await acceptOf(exchange.request.field("sec-websocket-key") ?? "");
  await exchange.write(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
}

/** Agrees, writes the frames, and waits for the end. */
function framesScript(frames: readonly Uint8Array[], end: (exchange: ScriptedExchange) => Promise<void>): Script {
  return async (exchange) => {
    await agree(exchange);
    for (const frame of frames) await exchange.write(frame);
    await end(exchange);
  };
}

const utf8 = (text: string) => new TextEncoder().encode(text);

async function messagesPass(stage: Stage): Promise<void> {
  using socket = await open(stage, "messages");
  for (const text of ["hello", "", "grüße 🌊", "x".repeat(MEBIBYTE)]) {
    await socket.text(text);
    assertEquals(await socket.nextText(), text);
  }
  for (const length of [0, 1, 125, 126, 65_535, 65_536, MEBIBYTE]) {
    const bytes = new Uint8Array(length).map((_, index) => index * 31);
    await socket.frame(Opcode.binary, bytes);
    assertEquals(await socket.nextBytes(), bytes);
  }
  await socket.close(1000);
  assertEquals(await socket.nextClose(), { code: 1000, reason: "" });
}

async function fragmentsPass(stage: Stage): Promise<void> {
  const fragments = [
    encodeFrame(Opcode.text, utf8("one "), null, false),
    encodeFrame(Opcode.ping, utf8("between"), null),
    encodeFrame(Opcode.continuation, utf8("two "), null, false),
    encodeFrame(Opcode.continuation, utf8("three"), null),
  ];
  stage.frames.use(framesScript(fragments, (exchange) => exchange.wait(exchange.connection.closed)));
  using socket = await open(stage, "frames");
  assertEquals(await socket.nextText(), "one two three");
  const connection = stage.frames.connections.at(-1)!;
  // The pong: final, opcode 10, masked, 7 bytes; 4 of mask before them.
  await stage.frames.waitFor(() => pongIn(connection.received) === "between", "a pong", PATIENCE_MS);
  await socket.frame(Opcode.text, utf8("from "), false);
  await socket.frame(Opcode.ping, utf8("client"));
  await socket.frame(Opcode.continuation, utf8("the client"));
  const pong = await socket.next();
  assertEquals(pong?.kind, "pong");
}

/** The unmasked payload of the first frame that follows the request's head, when that is a pong. */
function pongIn(received: string): string {
  const frame = received.slice(received.indexOf("\r\n\r\n") + 4);
  if (frame.length < 13 || frame.charCodeAt(0) !== 0x8a || frame.charCodeAt(1) !== 0x87) return "";
  const byte = (index: number) => frame.charCodeAt(6 + index) ^ frame.charCodeAt(2 + (index & 3));
  return String.fromCharCode(...Array.from({ length: 7 }, (_, index) => byte(index)));
}

async function protocols(stage: Stage): Promise<void> {
  for (const [offered, chosen] of [["mqtt, chat", "chat"], ["mqtt", null]] as const) {
    using socket = await RawWebSocket.open(await stage.dial(), targetOf("messages"), offered);
    assertEquals(socket.response.field("sec-websocket-protocol"), chosen);
    assertEquals(stage.messages.openings.at(-1)!.protocol, chosen ?? "");
    await socket.text("agreed");
    assertEquals(await socket.nextText(), "agreed");
  }
}

async function clientCloses(stage: Stage): Promise<void> {
  for (const { code, reason } of CLOSES) {
    const target = targetOf("messages");
    using socket = await open(stage, "messages", target);
    const before = stage.messages.closes.length;
    await socket.close(code, reason);
    assertEquals((await socket.nextClose()).code, code);
    await stage.messages.waitFor(() => stage.messages.closes.length > before, "the close", PATIENCE_MS);
    assertEquals(stage.messages.closes[before], { code, reason });
    socket.client.close();
    assertEquals((await accessOf(stage.sluice, target)).error, "");
  }
}

async function backendCloses(stage: Stage): Promise<void> {
  for (const { code, reason } of CLOSES) {
    const target = targetOf("messages");
    using socket = await open(stage, "messages", target);
    await socket.text(`close ${code} ${reason}`);
    assertEquals(await socket.nextClose(), { code, reason });
    await socket.close(code, reason);
    socket.client.close();
    assertEquals((await accessOf(stage.sluice, target)).error, "");
  }
}

async function abnormalEnds(stage: Stage): Promise<void> {
  stage.frames.use(framesScript([], (exchange) => exchange.wait(exchange.connection.closed)));
  const left = targetOf("frames");
  const leaving = await open(stage, "frames", left);
  leaving.client.close();
  await within(stage.frames.connections.at(-1)!.closed, "the backend's connection to close");
  assertEquals((await accessOf(stage.sluice, left)).error, "client_gone");

  for (const how of ["close", "reset"] as const) {
    stage.frames.use(framesScript([encodeFrame(Opcode.text, utf8("last"), null)], async (exchange) => {
      await exchange.connection.source.readExactly(1); // by then the client has read what was sent
      exchange[how]();
    }));
    using socket = await open(stage, "frames");
    assertEquals(await socket.nextText(), "last");
    await socket.text("seen");
    const end = await socket.next();
    assertEquals(end === null || (end.kind === "close" && end.code === 1011), true, JSON.stringify(end));
  }
}

async function refusals(stage: Stage): Promise<void> {
  const wrongAccept = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
    "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
  const rows = [
    { bytes: response(403, "not you"), status: 403, text: "not you", error: "" },
    { bytes: response(200, "plain"), status: 200, text: "plain", error: "" },
    { bytes: new TextEncoder().encode(wrongAccept), status: 502, text: "", error: "upgrade_failed" },
  ];
  for (const row of rows) {
    stage.frames.use(answer(row.bytes));
    const target = targetOf("frames");
    using client = await stage.dial();
    await client.send(handshake(target));
    const reply = await client.readResponse();
    assertEquals(reply.status, row.status);
    if (row.text !== "") assertEquals(reply.text, row.text);
    assertEquals((await accessOf(stage.sluice, target)).error, row.error);
  }
}

/** A client that does not read holds the backend up; memory stays bounded; nothing is lost. */
async function slowClient(stage: Stage): Promise<void> {
  const payload = new Uint8Array(MEBIBYTE);
  let sent = 0;
  stage.frames.use(framesScript([], async (exchange) => {
    for (let index = 0; index < FLOOD_MESSAGES; index++) {
      payload.fill(index & 0xff);
      await exchange.write(encodeFrame(Opcode.binary, payload, null));
      sent = index + 1;
    }
    await exchange.wait(exchange.connection.closed);
  }));
  using socket = await open(stage, "frames");
  const memory = new MemoryWatch(stage.sluice);
  for (let before = -1; before !== sent || sent === 0;) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  assertInRange(sent * MEBIBYTE, 1, BETWEEN_BYTES_MAX);
  assertInRange(memory.grownBytes, 0, 2 * BETWEEN_BYTES_MAX);
  for (let index = 0; index < FLOOD_MESSAGES; index++) {
    const bytes = await socket.nextBytes();
    assertEquals([bytes.length, bytes[0], bytes[MEBIBYTE - 1]], [MEBIBYTE, index & 0xff, index & 0xff]);
  }
}

/** A backend that does not read holds the client up; memory stays bounded; nothing is lost. */
async function slowBackend(stage: Stage): Promise<void> {
  stage.frames.use(async (exchange) => {
    exchange.connection.pauseReading();
    await agree(exchange);
    await exchange.connection.shut;
  });
  using socket = await open(stage, "frames");
  const memory = new MemoryWatch(stage.sluice);
  const frame = encodeFrame(Opcode.binary, new Uint8Array(MEBIBYTE), new Uint8Array(4));
  let sent = 0;
  const flooding = (async () => {
    for (; sent < FLOOD_MESSAGES; sent++) await socket.client.send(frame);
  })();
  for (let before = -1; before !== sent || sent === 0;) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 400));
  }
  assertInRange(sent * MEBIBYTE, 1, BETWEEN_BYTES_MAX);
  assertInRange(memory.grownBytes, 0, BETWEEN_BYTES_MAX);
  const connection = stage.frames.connections.at(-1)!;
  let received = 0;
  const isComplete = () => {
    received += connection.source.take(connection.source.length).length;
    return received === FLOOD_MESSAGES * frame.length;
  };
  connection.resumeReading();
  await stage.frames.waitFor(isComplete, "all of it", PATIENCE_MS);
  await flooding;
  socket.client.close();
  stage.frames.closeConnections();
}

async function overReload(stage: Stage): Promise<void> {
  const { sluice } = stage;
  using socket = await open(stage, "messages");
  const from = sluice.events.length;
  sluice.writeConfig(Deno.readTextFileSync(sluice.config.path) + "\n# another\n");
  await sluice.waitForEvent(({ event }) => event === "reloaded", from);
  await socket.text("still here");
  assertEquals(await socket.nextText(), "still here");
  await socket.close(1000);
  assertEquals((await socket.nextClose()).code, 1000);
}

async function allGivenBack({ sluice, frames }: Stage): Promise<void> {
  await frames.waitForConnectionsClosed(PATIENCE_MS);
  await sluice.waitFor(
    () => sluice.accessLog.length === opened,
    `an access line for each of ${opened} WebSockets`,
  );
}

type Step = readonly [name: string, work: (stage: Stage) => Promise<void>];

const STEPS: readonly Step[] = [
  ["texts and bytes of all sizes come back unchanged", messagesPass],
  ["fragments arrive as one message, pings are answered on each side", fragmentsPass],
  ["the sub-protocol is the backend's choice", protocols],
  ["a client's close code and reason reach the backend", clientCloses],
  ["a backend's close code and reason reach the client", backendCloses],
  ["an end without a close ends the other side", abnormalEnds],
  ["refusals pass, a wrong accept key is a 502", refusals],
  ["a client that does not read holds the backend up", slowClient],
  ["a backend that does not read holds the client up", slowBackend],
  ["open over a reload", overReload],
  ["every exchange ends, and gives its connection back", allGivenBack],
];

/**
 * To the wire engine WebSocket is a tunnel: frames are neither joined nor answered, and an accept key not judged.
 * wire_tunnel_test.ts looks at its bytes.
 */
const BYTE_STEPS: readonly Step[] = STEPS.filter(([, work]) => ![fragmentsPass, abnormalEnds, refusals].includes(work));

Deno.test("WebSockets pass through a cleartext and a TLS listener", async (t) => {
  const { authority, localhost } = await testCertificates();
  await using messages = WsBackend.start({ protocols: ["chat"] });
  await using frames = ScriptedBackend.start(hang());
  const tls = `tls = { cert = "site.pem", key = "site.key" }`;
  const circuit = "[upstreams.frames.circuit]\nfailures = 1000\n";
  await using sluice = await SluiceProcess.start(
    listenerToml("plain") + listenerToml("tls", tls) + listenerToml("wire", `engine = "wire"`) +
      listenerToml("wire-tls", `engine = "wire"\n${tls}`) + upstreamToml("messages", [messages.url]) +
      upstreamToml("frames", [frames.url], { sections: circuit }),
    { deadlineMs: PATIENCE_MS, files: { "site.pem": localhost.cert, "site.key": localhost.key } },
  );
  const caCerts = [authority.cert];
  const common = { sluice, messages, frames };
  for (const label of ["plain", "tls", "wire", "wire-tls"]) {
    const tls = label.endsWith("tls") ? { caCerts, hostname: "localhost" } : undefined;
    const stage: Stage = { ...common, label, dial: () => connect(sluice.address(label), tls) };
    const steps = label.startsWith("wire") ? BYTE_STEPS : STEPS;
    for (const [name, work] of steps) await step(t, `${stage.label}: ${name}`, () => work(stage));
  }
  assertEquals(await sluice.stop(), 0);
});

/**
 * `Deno.serve` closes its WebSockets as soon as it is told to accept no more, so that the drain time is not theirs. What
 * must hold: a proper close both ways, and nothing left that keeps the process.
 */
Deno.test("SIGTERM closes WebSockets with 1001 and loses none of them", async () => {
  await using messages = WsBackend.start();
  await using sluice = await SluiceProcess.start(
    listenerToml("plain") + upstreamToml("messages", [messages.url]),
    { deadlineMs: PATIENCE_MS },
  );
  using socket = await RawWebSocket.open(await connect(sluice.address("plain")), "/messages/drained");
  await socket.text("before");
  assertEquals(await socket.nextText(), "before");
  sluice.signal("SIGTERM");
  assertEquals((await socket.nextClose()).code, 1001);
  await socket.close(1001);
  await messages.waitFor(() => messages.closes.length === 1, "the close", PATIENCE_MS);
  assertEquals(await sluice.waitForExit(), 0);
  sluice.assertNoBugs();
  assertEquals(sluice.accessLog.map(({ target, status }) => ({ target, status })), [
    { target: "/messages/drained", status: 101 },
  ]);
});
