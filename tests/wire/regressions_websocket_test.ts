/** Faults of WebSockets that a review found in the running proxy, each with what broke. */

import { assert, assertEquals } from "@std/assert";
import { encodeClose, encodeFrame } from "../../lib/websocket/frame_encoder.ts";
import { Opcode } from "../../lib/websocket/frames.ts";
import { acceptOf } from "../../lib/websocket/handshake.ts";
import { accessOf, connect, listenerToml, MemoryWatch, step, upstreamToml } from "../support/proxy_stage.ts";
import type { ScriptedExchange } from "../support/backend_exchange.ts";
import { echo, echoOf, type Script } from "../support/backend_scripts.ts";
import { type RawClient, request } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { Gate } from "../support/waiting.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const MASK = Uint8Array.of(1, 2, 3, 4);
const TEXT = encodeFrame(Opcode.text, Uint8Array.of(0x41), null);

async function agree(exchange: ScriptedExchange): Promise<void> {
  const accept = await acceptOf(exchange.request.field("sec-websocket-key") ?? "");
  await exchange.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
}

const agreeAndHold: Script = async (exchange) => {
  await agree(exchange);
  await exchange.connection.shut;
};

/** Takes no notice of a close, and talks on. */
const agreeAndTalk: Script = async (exchange) => {
  await agree(exchange);
  for (;;) {
    await exchange.write(TEXT);
    await exchange.wait(50);
  }
};

const agreeAndPause: Script = async (exchange) => {
  await agree(exchange);
  exchange.connection.pauseReading();
  await exchange.connection.shut;
};

function handshake(target: string, changes: Readonly<Record<string, string>> = {}): string {
  const fields = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
    ...changes,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${target} HTTP/1.1\r\nHost: a\r\n${lines.join("")}\r\n`;
}

/** What stays a plain request: Deno could not answer the upgrade, or answers it whatever it says. */
const NO_UPGRADES = [
  { name: "Connection without Upgrade, which became an error 500 and a logged bug", changes: { Connection: "close" } },
  { name: "a key that is none", changes: { "Sec-WebSocket-Key": "x" } },
  { name: "another version, which was agreed to", changes: { "Sec-WebSocket-Version": "8" } },
];

/** How a client leaves, each with the target that names the case. */
const LEAVES: readonly { name: string; target: string; script: Script; leave: (client: RawClient) => Promise<void> }[] =
  [
    {
      // The close was encoded with the code 0 that Deno makes of a broken socket: an uncaught error each time.
      name: "a client that resets",
      target: "/ws/reset",
      script: agreeAndHold,
      leave: (client) => Promise.resolve(client.reset()),
    },
    {
      name: "a client that closes with a code that no frame may carry",
      target: "/ws/code",
      script: agreeAndHold,
      leave: (client) => client.send(encodeFrame(Opcode.close, Uint8Array.of(0x0b, 0xb7), MASK)),
    },
    {
      // Each message put off the end that a close without an answer brings, by the whole tunnel timeout.
      name: "a client that closes while the backend talks on",
      target: "/ws/talk",
      script: agreeAndTalk,
      leave: (client) => client.send(encodeFrame(Opcode.close, encodeClose(1000, ""), MASK)),
    },
    {
      // The end waited for the writes to the backend, and these for the tunnel timeout.
      name: "a client that resets while the backend does not read",
      target: "/ws/stuck",
      script: agreeAndPause,
      leave: async (client) => {
        await client.send(encodeFrame(Opcode.binary, new Uint8Array(12 * 1024 * 1024), MASK));
        client.reset();
      },
    },
  ];

Deno.test("The review's faults of WebSockets stay mended", async (t) => {
  await using backend = ScriptedBackend.start(agreeAndHold);
  await using sluice = await SluiceProcess.start(`${listenerToml("web")}\n${upstreamToml("ws", [backend.url])}`);
  const address = sluice.address("web");

  for (const { name, target, script, leave } of LEAVES) {
    await step(t, `ends soon: ${name}`, async () => {
      backend.use(script);
      using client = await connect(address);
      await client.send(handshake(target));
      assertEquals((await client.readResponseHead()).status, 101);
      await leave(client);
      await accessOf(sluice, target);
      backend.closeConnections();
    });
  }

  await step(t, "ends soon: a client that leaves before the 101", async () => {
    // Deno tells nothing of a socket that never opens, so the exchange stood for the tunnel timeout, and the listener
    // never ended: the drain took all the time it was given.
    const gate = new Gate();
    backend.use(async (exchange) => {
      await gate.opened;
      await agreeAndHold(exchange);
    });
    using client = await connect(address);
    const seen = backend.requests.length;
    await client.send(handshake("/ws/early"));
    await backend.waitForRequests(seen + 1);
    client.reset();
    // By the time that a later client has its answer the reset has come, too.
    assertEquals((await request(address, "GET", "/none")).status, 404);
    gate.open();
    assertEquals((await accessOf(sluice, "/ws/early")).error, "client_gone");
    backend.closeConnections();
  });

  for (const { name, changes } of NO_UPGRADES) {
    await step(t, `is no upgrade: ${name}`, async () => {
      backend.use(echo());
      using client = await connect(address);
      await client.send(handshake("/ws/plain", changes));
      const reply = await client.readResponse();
      assertEquals(reply.status, 200);
      assertEquals(echoOf(reply).fields.filter(([field]) => /^(upgrade|connection)$/i.test(field)), []);
    });
  }

  assertEquals(sluice.events.filter(({ level }) => level === "error"), []);
  assertEquals(await sluice.stop(), 0);
});

const MIB = 1024 * 1024;
/** In one write: so many of the smallest messages. */
const TINY_COUNT = 20_000;

function tiny(payload: Uint8Array, mask: Uint8Array<ArrayBuffer> | null): Uint8Array<ArrayBuffer> {
  const frame = encodeFrame(Opcode.binary, payload, mask);
  const frames = new Uint8Array(frame.length * TINY_COUNT);
  for (let index = 0; index < TINY_COUNT; index++) frames.set(frame, index * frame.length);
  return frames;
}

Deno.test("WebSocket messages that wait are bounded by what they cost, not by their bytes", async (t) => {
  // Only their bytes were counted: 32 MiB of messages of 6 bytes, 4 MiB of messages of one, some kilobyte each.
  await using backend = ScriptedBackend.start(agreeAndHold);
  await using sluice = await SluiceProcess.start(`${listenerToml("web")}\n${upstreamToml("ws", [backend.url])}`, {
    denoFlags: ["-A", "--v8-flags=--max-old-space-size=100"], // or garbage would hide what is held
  });
  const address = sluice.address("web");

  await step(t, "a client that sends many empty ones to a backend that reads none is held up", async () => {
    backend.use(agreeAndPause);
    using client = await connect(address);
    await client.send(handshake("/ws/up"));
    assertEquals((await client.readResponseHead()).status, 101);
    await client.send(encodeFrame(Opcode.binary, new Uint8Array(12 * MIB), MASK)); // fills what the system holds
    const frames = tiny(new Uint8Array(0), MASK);
    const memory = new MemoryWatch(sluice);
    for (let sent = 0; sent < 10; sent++) await client.send(frames);
    assert(memory.grownBytes < 32 * MIB, `${memory.grownBytes} bytes`);
    client.reset();
    // A little of what it sent is taken now and then, to see whether it is there: that may be too much.
    const { error } = await accessOf(sluice, "/ws/up");
    assert(error === "client_gone" || error === "tunnel_overflow", String(error));
    // What had waited failed message by message, each in a time that grew with their number: nobody was served.
    assertEquals((await request(address, "GET", "/none")).status, 404);
    backend.closeConnections();
  });

  await step(t, "a backend that sends many to a client that reads none has to wait", async () => {
    const frames = tiny(Uint8Array.of(1), null);
    backend.use(async (exchange) => {
      await agree(exchange);
      for (;;) await exchange.write(frames);
    });
    const memory = new MemoryWatch(sluice);
    using client = await connect(address);
    await client.send(handshake("/ws/down"));
    for (let look = 0; look < 60; look++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      memory.look();
    }
    client.reset();
    await accessOf(sluice, "/ws/down");
    assert(memory.grownBytes < 400 * MIB, `${memory.grownBytes} bytes`);
  });

  assertEquals(sluice.events.filter(({ level }) => level === "error"), []);
});
