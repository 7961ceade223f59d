/** How the wire engine keeps what a client sent: bounded whatever the client does, and in order. */

import { assert, assertEquals } from "@std/assert";
import { WireInput } from "../../../../../lib/engines/wire/http1/input.ts";
import { BodyDecoder } from "../../../../../lib/http1/body_decoder.ts";
import { BodyKind } from "../../../../../lib/http1/body_kind.ts";
import { Head } from "../../../../../lib/http1/head.ts";
import { Socket } from "../../../../../lib/transport/socket.ts";

const BOUNDS = { bytesMax: 32 * 1024, fieldsMax: 100, targetBytesMax: 32 * 1024 };
const BODY_BOUNDS = { chunkHeadBytesMax: 256, trailerBytesMax: 1024, trailerFieldsMax: 8 };
const KIB = 1024;
const NOBODY = { onEnded() {}, onBroken() {}, onFull() {} };

/** Gives each text to one read (the rest of it to the next when it does not fit), then waits. */
class ScriptedConn {
  /** The largest buffer that a read was given a part of. */
  bufferBytesMax = 0;
  /** The last one. */
  buffer: ArrayBufferLike | null = null;
  readonly #texts: string[] = [];
  #waiting: (() => void) | null = null;

  send(text: string): void {
    this.#texts.push(text);
    this.#waiting?.();
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.buffer = into.buffer;
    this.bufferBytesMax = Math.max(this.bufferBytesMax, into.buffer.byteLength);
    while (this.#texts.length === 0) await new Promise<void>((resolve) => this.#waiting = resolve);
    const text = this.#texts.shift()!;
    const count = Math.min(text.length, into.length);
    if (count < text.length) this.#texts.unshift(text.slice(count));
    new TextEncoder().encodeInto(text.slice(0, count), into);
    return count;
  }
}

function start(): { conn: ScriptedConn; input: WireInput; head: Head } {
  const conn = new ScriptedConn();
  return { conn, input: new WireInput(new Socket(conn as unknown as Deno.Conn)), head: new Head() };
}

async function readHead(input: WireInput, head: Head): Promise<void> {
  input.unwatch();
  head.reset();
  input.compact();
  while (!input.takeHead(head, BOUNDS)) await input.fill();
}

async function readBody(input: WireInput, decoder: BodyDecoder, head: Head): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for (;;) {
    const piece = await input.readPiece(decoder, head);
    if (piece === null) return pieces;
    pieces.push(piece);
  }
}

const text = (pieces: readonly Uint8Array[]) => pieces.map((piece) => new TextDecoder().decode(piece)).join("");

Deno.test("WireInput holds no more after a thousand slow exchanges than after one", async () => {
  // A read was always pending, so each request went behind the one before, and the buffer doubled for ever.
  const { conn, input, head } = start();
  for (let round = 0; round < 1000; round++) {
    conn.send(`GET /${round} HTTP/1.1\r\nHost: a\r\nX-Pad: ${"p".repeat(500)}\r\n\r\n`);
    await readHead(input, head);
    assertEquals(new TextDecoder().decode(head.bytes.subarray(head.targetStart, head.targetEnd)), `/${round}`);
    input.watch(head, NOBODY);
  }
  assert(conn.bufferBytesMax <= 16 * KIB, `${conn.bufferBytesMax} bytes`);
});

Deno.test("WireInput holds no more for requests that end where the buffer does", async () => {
  // Room was made behind all that the buffer had ever held, so that it doubled with each of them.
  const { conn, input, head } = start();
  let held = 0;
  for (let round = 0; round < 40; round++) {
    const line = `GET /${round} HTTP/1.1\r\nHost: a\r\nX-Pad: `;
    const room = conn.bufferBytesMax === 0 ? KIB : (conn.bufferBytesMax - held) % (16 * KIB) || 16 * KIB;
    conn.send(line + "p".repeat(room - line.length - 4) + "\r\n\r\n");
    await readHead(input, head);
    held = head.end;
    assertEquals(new TextDecoder().decode(head.bytes.subarray(head.targetStart, head.targetEnd)), `/${round}`);
    input.watch(head, NOBODY);
  }
  assert(conn.bufferBytesMax <= 64 * KIB, `${conn.bufferBytesMax} bytes`);
});

Deno.test("WireInput grows for a large head, whatever lies before it, and shrinks again", async () => {
  const { conn, input, head } = start();
  const pad = "p".repeat(30 * KIB);
  for (const value of ["short", pad, "short", pad]) {
    conn.send(`GET / HTTP/1.1\r\nHost: a\r\nX-Pad: ${value}\r\n\r\n`);
    await readHead(input, head);
    assertEquals(head.value(1), value);
    input.watch(head, NOBODY);
  }
  assert(conn.bufferBytesMax <= 64 * KIB, `${conn.bufferBytesMax} bytes`);
});

Deno.test("WireInput.readPiece() gives single bytes away without a buffer of 64 KiB behind each", async () => {
  // Pieces that a retry may need were views: a request of 64 KiB held 4 GiB.
  const { conn, input, head } = start();
  conn.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
  await readHead(input, head);
  const decoder = new BodyDecoder("request");
  decoder.begin(BodyKind.length, 100, BODY_BOUNDS);
  for (let sent = 0; sent < 100; sent++) conn.send("x");
  const pieces = await readBody(input, decoder, head);
  assertEquals(text(pieces), "x".repeat(100));
  for (const piece of pieces) assertEquals(piece.buffer.byteLength, piece.length);
});

Deno.test("WireInput.readPiece() makes one piece of the tiny chunks of one read", async () => {
  const { conn, input, head } = start();
  const chunks = "1\r\na\r\n2\r\nbc\r\n".repeat(50) + "0\r\n\r\n"; // as much as one read takes
  conn.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks);
  await readHead(input, head);
  const decoder = new BodyDecoder("request");
  decoder.begin(BodyKind.chunked, 0, BODY_BOUNDS);
  const pieces = await readBody(input, decoder, head);
  assertEquals(text(pieces), "abc".repeat(50));
  assertEquals(pieces.length, 1);
});

Deno.test("WireInput.watch() finds room behind a body that had filled the buffer", async () => {
  // It had none, watched nothing, and a client that left then kept its backend's connection.
  const { conn, input, head } = start();
  const chunks = `2710\r\n${"x".repeat(10_000)}\r\n4e20\r\n${"y".repeat(20_000)}\r\n0\r\n\r\n`;
  conn.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks);
  await readHead(input, head);
  const decoder = new BodyDecoder("request");
  decoder.begin(BodyKind.chunked, 0, BODY_BOUNDS);
  assertEquals(text(await readBody(input, decoder, head)), "x".repeat(10_000) + "y".repeat(20_000));
  input.watch(head, NOBODY);
  conn.send("GET /next HTTP/1.1\r\nHost: b\r\n\r\n");
  await readHead(input, head);
  assertEquals(head.value(0), "b");
});

Deno.test("WireInput.watch() finds room behind a head that has filled the buffer", async () => {
  const { conn, input, head } = start();
  const around = "GET / HTTP/1.1\r\nHost: a\r\nX-Pad: \r\n\r\n".length;
  conn.send(`GET / HTTP/1.1\r\nHost: a\r\nX-Pad: ${"p".repeat(KIB - around)}\r\n\r\n`);
  await readHead(input, head);
  assertEquals([head.end, conn.bufferBytesMax], [KIB, KIB]);
  input.watch(head, NOBODY);
  assertEquals(conn.bufferBytesMax, 2 * KIB); // a read is under way
  assertEquals(head.value(0), "a");
  conn.send("GET /next HTTP/1.1\r\nHost: b\r\n\r\n");
  await readHead(input, head);
  assertEquals(head.value(0), "b");
});

Deno.test("WireInput begins small, and grows for a client that fills it", async () => {
  const { conn, input, head } = start();
  const sizes: number[] = [];
  for (let round = 0; round < 6; round++) {
    conn.bufferBytesMax = 0;
    conn.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n${"x".repeat(20_000)}`);
    await readHead(input, head);
    sizes.push(conn.bufferBytesMax / KIB);
    const decoder = new BodyDecoder("request");
    decoder.begin(BodyKind.length, 20_000, BODY_BOUNDS);
    await readBody(input, decoder, head);
  }
  assertEquals(sizes, [1, 2, 4, 8, 8, 8]);
});

Deno.test("WireInput gives its buffer to the next client, unless a read may still write to it or it has grown", async () => {
  const usedBy = async (request: string, isWatching: boolean): Promise<ArrayBufferLike> => {
    const { conn, input, head } = start();
    conn.send(request);
    await readHead(input, head);
    const buffer = conn.buffer!;
    if (isWatching) input.watch(head, NOBODY);
    input.recycle();
    return buffer;
  };
  const short = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const kept = await usedBy(short, false);
  assert(await usedBy(short, false) === kept);
  const grown = await usedBy(`GET / HTTP/1.1\r\nHost: a\r\nX-Pad: ${"p".repeat(KIB)}\r\n\r\n`, false);
  const watched = await usedBy(short, true);
  for (let client = 0; client < 4; client++) {
    const next = await usedBy(short, false);
    assert(next !== grown && next !== watched);
  }
});

Deno.test("WireInput.readRaw() takes what a pending read brings, however much", async () => {
  // More than 64 KiB into the room behind a large head ended the tunnel.
  const { conn, input, head } = start();
  const pad = "p".repeat(30 * KIB);
  conn.send(`GET / HTTP/1.1\r\nHost: a\r\nX-Pad: ${pad}\r\n\r\nearly`);
  await readHead(input, head);
  input.watch(head, NOBODY);
  assertEquals(text([input.takeAll()]), "early");
  const sent = "0123456789".repeat(10_000);
  conn.send(sent);
  let got = "";
  const into = new Uint8Array(8);
  while (got.length < sent.length) got += text([await input.readRaw(into)]);
  assert(got === sent);
});
