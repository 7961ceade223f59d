/**
 * What WebSockets of `serve` may take of memory. Deno puts a message's fragments together before anybody hears of it: a
 * message without an end took 1.2 GiB from one client. And it went on reading from one that had been sent a close.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { WEBSOCKET_ASSEMBLED_BYTES_MAX, WEBSOCKET_HELD_BYTES_MAX } from "../../lib/config/bounds.ts";
import { type WatchedSocket, WebSocketMemory } from "../../lib/engines/serve/websocket_memory.ts";
import { encodeFrame } from "../../lib/websocket/frame_encoder.ts";
import { Opcode } from "../../lib/websocket/frames.ts";
import { acceptOf } from "../../lib/websocket/handshake.ts";
import { accessOf, connect, listenerToml, MemoryWatch, PATIENCE_MS, upstreamToml } from "../support/proxy_stage.ts";
import { RawWebSocket } from "./raw_websocket.ts";
import { request } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { WsBackend } from "../support/ws_backend.ts";

const MIB = 1024 * 1024;
/** A fragment: few of them make a large message, and none alone is one. */
const FRAGMENT = new Uint8Array(256 * 1024);
/** What comes while nobody has looked, and what the honest ones take. */
const BETWEEN_LOOKS_BYTES_MAX = 512 * MIB;
/** What is taken in the second or two of a farewell, at most. */
const BEHIND_CLOSE_BYTES_MAX = 2048 * MIB;

class FakeSocket implements WatchedSocket {
  heldBytes = 0;
  heardAt = 0;
  isHeldUp = false;
  isEnded = false;
  readonly #memory: WebSocketMemory;
  readonly #onEnd: () => void;

  constructor(memory: WebSocketMemory, onEnd: () => void = () => {}) {
    this.#memory = memory;
    this.#onEnd = onEnd;
    memory.add(this);
  }

  endForMemory(): void {
    this.isEnded = true;
    this.#memory.delete(this);
    this.#onEnd();
  }
}

const NEVER_MS = 1_000_000;

Deno.test("WebSocketMemory.look() ends the silent, the newest first, until memory has fallen", () => {
  let bytes = 100;
  const memory = new WebSocketMemory(() => bytes, NEVER_MS);
  const old = Array.from({ length: 15 }, () => new FakeSocket(memory));
  const heldUp = new FakeSocket(memory);
  heldUp.isHeldUp = true;
  const culprit = new FakeSocket(memory, () => bytes = 100);
  const newer = Array.from({ length: 3 }, () => new FakeSocket(memory));
  const talking = new FakeSocket(memory);
  const look = () => {
    memory.look();
    talking.heardAt = memory.looks;
  };
  for (let count = 0; count < 6; count++) look();
  assertEquals([...old, ...newer].filter(({ isEnded }) => isEnded), []);
  bytes += WEBSOCKET_ASSEMBLED_BYTES_MAX + 1;
  look(); // three of 21
  assertEquals([newer.every(({ isEnded }) => isEnded), culprit.isEnded], [true, false]);
  look();
  look();
  assertEquals([culprit.isEnded, heldUp.isEnded, talking.isEnded], [true, false, false]);
  assertEquals(old.filter(({ isEnded }) => isEnded).length, 2, "those of its batch, and no more");
  for (const socket of [...old, heldUp, talking]) memory.delete(socket);
});

Deno.test("WebSocketMemory.look() takes what others hold for the new floor", () => {
  let bytes = 0;
  const memory = new WebSocketMemory(() => bytes, NEVER_MS);
  const talking = new FakeSocket(memory);
  bytes = WEBSOCKET_ASSEMBLED_BYTES_MAX + 1;
  memory.look();
  const silent = new FakeSocket(memory);
  for (let count = 0; count < 10; count++) memory.look();
  assertEquals([silent.isEnded, talking.isEnded], [false, false]);
  for (const socket of [silent, talking]) memory.delete(socket);
});

Deno.test("WebSocketMemory.hold() ends the one that holds most when all hold too much", () => {
  const memory = new WebSocketMemory(() => 0, NEVER_MS);
  const [large, small, last] = [1, 2, 3].map(() => new FakeSocket(memory));
  memory.hold(large, WEBSOCKET_HELD_BYTES_MAX - 10);
  memory.hold(small, 5);
  memory.hold(small, 6);
  assertEquals(large.isEnded, false);
  memory.hold(last, 5);
  assertEquals([large.isEnded, small.isEnded, last.isEnded], [true, false, false]);
  memory.hold(last, WEBSOCKET_HELD_BYTES_MAX - 6);
  assertEquals(last.isEnded, false);
  for (const socket of [small, last]) memory.delete(socket);
});

Deno.test("serve: a WebSocket message without an end is cut, and costs others nothing", async () => {
  await using backend = WsBackend.start();
  const toml = "[server]\nworkers = 1\n" + listenerToml("web") + upstreamToml("ws", [backend.url]);
  await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
  const dial = () => connect(sluice.address("web"));
  using silent = await RawWebSocket.open(await dial(), "/ws/silent");
  using honest = await RawWebSocket.open(await dial(), "/ws/honest");
  const memory = new MemoryWatch(sluice);
  using attacker = await RawWebSocket.open(await dial(), "/ws/attacker");
  let isCut = false;
  const flood = (async () => {
    await attacker.frame(Opcode.binary, FRAGMENT, false);
    const more = encodeFrame(Opcode.continuation, FRAGMENT, new Uint8Array(4), false);
    while (!isCut) await attacker.client.send(more);
  })().catch(() => isCut = true);
  for (let count = 0; !isCut; count++) {
    await honest.text(`message ${count}`);
    assertEquals(await honest.nextText(), `message ${count}`);
    memory.look();
    assert(memory.grownBytes < WEBSOCKET_ASSEMBLED_BYTES_MAX + BETWEEN_LOOKS_BYTES_MAX, `${memory.grownBytes} bytes`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await flood;
  assertEquals((await accessOf(sluice, "/ws/attacker")).error, "tunnel_overflow");
  await silent.text("still here");
  assertEquals(await silent.nextText(), "still here");
  assertEquals((await request(sluice.address("web"), "GET", "/none")).status, 404);
  sluice.assertNoBugs();
});

Deno.test("serve: whoever goes on behind a close is not read for ever", async () => {
  await using backend = WsBackend.start();
  await using sluice = await SluiceProcess.start(listenerToml("web") + upstreamToml("ws", [backend.url]));
  using client = await RawWebSocket.open(await connect(sluice.address("web")), "/ws/on");
  await client.text("close 1000 ");
  await client.nextClose();
  await client.frame(Opcode.binary, FRAGMENT, false);
  const more = encodeFrame(Opcode.continuation, FRAGMENT, new Uint8Array(4), false);
  const sending = async () => {
    for (let sent = 0; sent < BEHIND_CLOSE_BYTES_MAX; sent += FRAGMENT.length) await client.client.send(more);
    return "all was taken";
  };
  assertEquals(await sending().catch(() => "cut"), "cut");
});

Deno.test("serve: a message of more than 16 MiB ends its WebSocket", async () => {
  await using backend = WsBackend.start();
  await using sluice = await SluiceProcess.start(listenerToml("web") + upstreamToml("ws", [backend.url]));
  using client = await RawWebSocket.open(await connect(sluice.address("web")), "/ws/large");
  await client.frame(Opcode.binary, new Uint8Array(16 * MIB));
  assertEquals((await client.nextBytes()).length, 16 * MIB);
  await client.frame(Opcode.binary, new Uint8Array(16 * MIB + 1));
  assertEquals((await client.nextClose()).code, 1009);
  await client.close(1009);
  assertEquals((await accessOf(sluice, "/ws/large")).error, "tunnel_overflow");
});

Deno.test("serve: a client that is held up does not hold up the end of the process", async () => {
  await using backend = ScriptedBackend.start(async (exchange) => {
    exchange.connection.pauseReading();
    const accept = await acceptOf(exchange.request.field("sec-websocket-key") ?? "");
    await exchange.write(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    await exchange.connection.shut;
  });
  const toml = `[server]\ndrain = "1s"\n` + listenerToml("web") + upstreamToml("ws", [backend.url]);
  await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
  using client = await RawWebSocket.open(await connect(sluice.address("web")), "/ws/stuck");
  for (let count = 0; count < 12; count++) await client.frame(Opcode.binary, new Uint8Array(MIB));
  assertEquals(await sluice.stop(PATIENCE_MS), 0);
  sluice.assertNoBugs();
});
