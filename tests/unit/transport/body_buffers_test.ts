/** Buffers lent to connections for large bodies: given back when nobody looks at them any more, and never before. */

import { END } from "../../../lib/base/body_piece.ts";
import type { ByteWriter } from "../../../lib/base/byte_writer.ts";
import { ProxyError } from "../../../lib/base/errors.ts";
import { lendWriter } from "../../../lib/base/lent_writers.ts";
import { useFastPath } from "../../../lib/base/fast_path.ts";
import { BODY_BUFFER_BYTES, bodyBuffers } from "../../../lib/transport/body_buffers.ts";
import { Connection } from "../../../lib/transport/http1/connection.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { chunked } from "../../support/backend_scripts.ts";
import { toBytes, toText } from "../../support/wire_bytes.ts";
import { FakeConn, GET, RESPONSE_BOUNDS } from "./transport_fakes.ts";

const OK = "HTTP/1.1 200 OK\r\n";
const { medium: MEDIUM, large: LARGE } = BODY_BUFFER_BYTES;

Deno.test("Connection reads a large body through a lent buffer, and gives it back when it is parked", async () => {
  const before = bodyBuffers.largeLent;
  const { conn, connection } = stage();
  connection.beginExchange();
  const body = "x".repeat(3 * LARGE);
  conn.push(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
  await connection.readHead(GET);
  conn.push(body);
  let longest = 0;
  let total = 0;
  for (let piece = await connection.readBody(); piece !== END; piece = await connection.readBody()) {
    longest = Math.max(longest, piece.length);
    total += piece.length;
  }
  assertEquals([total, longest, bodyBuffers.largeLent - before], [body.length, LARGE, 1]);
  connection.park(0, () => {});
  assertEquals(bodyBuffers.largeLent, before);
});

Deno.test("Connection never gives back a buffer that a broken response may still be read into or written from", async () => {
  const before = bodyBuffers.largeLent;
  const { conn, connection } = stage();
  connection.beginExchange();
  conn.push(`HTTP/1.1 200 OK\r\nContent-Length: ${2 * LARGE}\r\n\r\n`);
  await connection.readHead(GET);
  conn.push("x".repeat(2 * LARGE - 1));
  let last = new Uint8Array(0);
  while (last.length !== LARGE) last = (await connection.readBody()) as typeof last;
  connection.abort(new ProxyError("client_gone"));
  assertEquals(bodyBuffers.largeLent, before);
  const lent = bodyBuffers.lend("large");
  assertEquals(lent.buffer === last.buffer, false);
  bodyBuffers.takeBack(lent);
});

Deno.test("BodyBuffers lends a bounded number of large ones, and who comes later reads in smaller pieces", async () => {
  const held: Uint8Array<ArrayBuffer>[] = [];
  for (let length = LARGE; length === LARGE; length = held[held.length - 1].length) {
    held.push(bodyBuffers.lend("large"));
  }
  const { conn, connection } = stage();
  connection.beginExchange();
  const body = "x".repeat(2 * LARGE);
  conn.push(`${OK}Content-Length: ${body.length}\r\n\r\n${body}`);
  await connection.readHead(GET);
  let total = 0;
  for (let piece = await connection.readBody(); piece !== END; piece = await connection.readBody()) {
    total += piece.length;
  }
  assertEquals([total, bodyBuffers.lend("large").length], [body.length, MEDIUM]);
  connection.park(0, () => {});
  for (const buffer of held) bodyBuffers.takeBack(buffer);
});

for (const length of [16_384, 100_000, 200_000, 900_000]) {
  for (const framing of ["length", "chunked"]) {
    Deno.test(`Connection reads ${length} bytes by ${framing} whole, twice, given away or not`, async () => {
      const { conn, connection } = stage();
      const body = Array.from({ length: length / 10 }, (_, index) => String(index).padStart(10, "0")).join("");
      const head = framing === "length"
        ? `${OK}Content-Length: ${body.length}\r\n\r\n`
        : `${OK}Transfer-Encoding: chunked\r\n\r\n`;
      for (const isGivenAway of [false, true, false]) {
        connection.beginExchange();
        conn.push(head + (framing === "length" ? body : toText(chunked(toBytes(body)))));
        await connection.readHead(GET);
        const pieces: Uint8Array[] = [];
        for (let piece = await connection.readBody(); piece !== END; piece = await connection.readBody()) {
          pieces.push(isGivenAway ? connection.own(piece) : piece.slice());
        }
        assertEquals(pieces.map(toText).join("") === body, true);
        connection.park(0, () => {});
        connection.unpark();
      }
    });
  }
}

Deno.test("Connection borrows nothing once it is closed", async () => {
  // Whoever had written the last piece asked for the next one: the buffer that was lent then never came back.
  const before = bodyBuffers.largeLent;
  const { conn, connection } = stage();
  connection.beginExchange();
  conn.push("HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n");
  await connection.readHead(GET);
  conn.push("x".repeat(2 * MEDIUM));
  for (let length = 0; length !== MEDIUM;) length = (await connection.readRaw())!.length;
  connection.abort(new ProxyError("tunnel_timeout"));
  await assertRejects(() => connection.readRaw(), ProxyError);
  assertEquals(bodyBuffers.largeLent, before);
});

Deno.test("Connection gives a lent buffer back when it goes from one exchange to the next", async () => {
  const before = bodyBuffers.largeLent;
  const { conn, connection } = stage();
  for (const body of ["x".repeat(2 * LARGE), "short"]) {
    connection.beginExchange();
    conn.push(`${OK}Content-Length: ${body.length}\r\n\r\n${body}`);
    await connection.readHead(GET);
    let text = "";
    for (let piece = await connection.readBody(); piece !== END; piece = await connection.readBody()) {
      text += toText(piece);
    }
    assertEquals([text === body, bodyBuffers.largeLent - before], [true, body === "short" ? 0 : 1]);
  }
});

Deno.test("Connection gives its output buffer back when the request is out, and no sooner", async () => {
  const { conn, connection } = stage();
  const out = begin(connection, "whole");
  connection.sendOut();
  assert(lendWriter() !== out);
  await turn();
  const next = lendWriter();
  assert(next === out);
  assertEquals([next.length, conn.written], [0, "whole"]);
});

Deno.test("Connection keeps an output buffer of which a part is still to be written", async () => {
  const { conn, connection } = stage();
  conn.writeMax = 2;
  const out = begin(connection, "in pieces");
  connection.sendOut();
  for (let step = 0; step < 40; step++) {
    assert(lendWriter() !== out);
    await undefined;
  }
  assertEquals([conn.written, connection.out === out], ["in pieces", true]);
});

Deno.test("Connection does not give back an output buffer whose write has failed, or may go on", async () => {
  for (const isFailing of [true, false]) {
    const { conn, connection } = stage();
    const out = begin(connection, "lost");
    if (isFailing) conn.writeError = new Deno.errors.ConnectionReset();
    else conn.write = () => new Promise(() => {});
    connection.sendOut();
    connection.abort(new ProxyError("connection_reset"));
    await turn();
    assert(lendWriter() !== out);
  }
});

Deno.test("Without the fast path no output buffer is used twice", async () => {
  useFastPath(false);
  try {
    const { connection } = stage();
    const out = begin(connection, "whole");
    connection.sendOut();
    await turn();
    assert(lendWriter() !== out);
  } finally {
    useFastPath(true);
  }
});

Deno.test("Connection gives the output buffer of an upload back when it is parked", async () => {
  const { connection } = stage();
  const out = begin(connection, "piece by piece");
  await connection.write(out.view());
  assert(lendWriter() !== out);
  connection.park(0, () => {});
  assert(lendWriter() === out);
  connection.close();
  await turn();
});

function begin(connection: Connection, request: string): ByteWriter {
  connection.beginExchange();
  connection.out.ascii(request);
  return connection.out;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function stage(): { conn: FakeConn; connection: Connection } {
  const conn = new FakeConn();
  return { conn, connection: new Connection(conn.asConn(), RESPONSE_BOUNDS, 0) };
}
