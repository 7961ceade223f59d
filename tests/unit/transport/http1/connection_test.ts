/** One connection to a backend, fed whole, byte by byte, and with bytes that stay behind. */

import { END, WAIT } from "../../../../lib/base/body_piece.ts";
import { assert, assertEquals, assertRejects } from "../../../support/assert.ts";
import { ProxyError } from "../../../../lib/base/errors.ts";
import { Connection } from "../../../../lib/transport/http1/connection.ts";
import { chunked, response } from "../../../support/backend_scripts.ts";
import { toBytes, toText } from "../../../support/wire_bytes.ts";
import { FakeConn, GET, RESPONSE_BOUNDS } from "../transport_fakes.ts";

interface Row {
  readonly name: string;
  readonly wire: string;
  readonly method?: string;
  readonly end?: boolean;
  readonly status?: number;
  readonly body?: string;
  readonly canReuse: boolean;
}

const OK = "HTTP/1.1 200 OK\r\n";

const ROWS: readonly Row[] = [
  { name: "Content-Length", wire: `${OK}Content-Length: 5\r\n\r\nhello`, body: "hello", canReuse: true },
  { name: "Content-Length: 0", wire: `${OK}Content-Length: 0\r\n\r\n`, canReuse: true },
  {
    name: "chunked",
    wire: `${OK}Transfer-Encoding: chunked\r\n\r\n2;a\r\nhe\r\n3\r\nllo\r\n0\r\nX: 1\r\n\r\n`,
    body: "hello",
    canReuse: true,
  },
  { name: "until close", wire: `${OK}\r\nhello`, end: true, body: "hello", canReuse: false },
  { name: "close", wire: `${OK}Connection: close\r\nContent-Length: 5\r\n\r\nhello`, body: "hello", canReuse: false },
  { name: "HTTP/1.0", wire: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", body: "hello", canReuse: false },
  { name: "HEAD", method: "HEAD", wire: `${OK}Content-Length: 5\r\n\r\n`, canReuse: true },
  { name: "204", wire: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, canReuse: true },
  { name: "304", wire: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status: 304, canReuse: true },
  {
    name: "1xx first",
    wire: `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: a\r\n\r\n${OK}Content-Length: 2\r\n\r\nok`,
    body: "ok",
    canReuse: true,
  },
  { name: "101", wire: "HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n", status: 101, canReuse: false },
];

for (const { name, wire, method = "GET", end = false, status = 200, body = "", canReuse } of ROWS) {
  for (const feed of ["whole", "byte by byte", "with bytes behind it"]) {
    if (feed === "with bytes behind it" && (end || status === 101)) continue; // they would belong to it
    Deno.test(`Connection reads a response: ${name} (${feed})`, async () => {
      const { conn, connection } = stage();
      connection.beginExchange();
      const reading = readResponse(connection, method);
      if (feed === "byte by byte") { for (const byte of wire) conn.push(byte); }
      else conn.push(feed === "whole" ? wire : `${wire}${OK}`);
      if (end) conn.end();
      const got = await reading;
      assertEquals([got.status, got.body, connection.isBodyDone], [status, body, true]);
      assertEquals(connection.canReuse, canReuse && feed !== "with bytes behind it");
    });
  }
}

interface BrokenRow {
  readonly name: string;
  readonly wire: string;
  readonly then: "end" | "break" | "stay";
  readonly code: string;
}

const BROKEN: readonly BrokenRow[] = [
  { name: "nothing, then an end", wire: "", then: "end", code: "connection_reset" },
  { name: "nothing, then an error", wire: "", then: "break", code: "connection_reset" },
  { name: "half a head, then an end", wire: "HTTP/1.1 2", then: "end", code: "connection_reset" },
  { name: "only 1xx, then an end", wire: "HTTP/1.1 100 X\r\n\r\n", then: "end", code: "connection_reset" },
  {
    name: "half a body, then an end",
    wire: `${OK}Content-Length: 5\r\n\r\nhe`,
    then: "end",
    code: "response_incomplete",
  },
  {
    name: "half a body, then an error",
    wire: `${OK}Content-Length: 5\r\n\r\nhe`,
    then: "break",
    code: "response_incomplete",
  },
  {
    name: "half a chunk, then an end",
    wire: `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhe`,
    then: "end",
    code: "response_incomplete",
  },
  { name: "a body until close that breaks", wire: `${OK}\r\nhe`, then: "break", code: "response_incomplete" },
  {
    name: "a bad chunk",
    wire: `${OK}Transfer-Encoding: chunked\r\n\r\nx\r\n`,
    then: "stay",
    code: "response_framing_invalid",
  },
  { name: "no HTTP", wire: "220 mail ESMTP\r\n", then: "stay", code: "response_invalid" },
  {
    name: "two lengths",
    wire: `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
    then: "stay",
    code: "response_framing_invalid",
  },
  { name: "17 interim responses", wire: "HTTP/1.1 100 X\r\n\r\n".repeat(17), then: "stay", code: "response_invalid" },
  { name: "too many fields", wire: OK + "A: b\r\n".repeat(17) + "\r\n", then: "stay", code: "response_head_too_large" },
  { name: "too large a head", wire: `${OK}A: ${"b".repeat(70_000)}`, then: "stay", code: "response_head_too_large" },
];

for (const { name, wire, then, code } of BROKEN) {
  Deno.test(`Connection reports ${code} for ${name}`, async () => {
    const { conn, connection } = stage();
    connection.beginExchange();
    const reading = readResponse(connection);
    if (wire !== "") conn.push(wire);
    if (then === "end") conn.end();
    if (then === "break") conn.break(new Deno.errors.ConnectionReset("gone"));
    const error = await assertRejects(() => reading, ProxyError);
    assertEquals([error.code as string, connection.canReuse], [code, false]);
  });
}

Deno.test("Connection.write() goes on until everything is written", async () => {
  const { conn, connection } = stage();
  conn.writeMax = 3;
  await connection.write(toBytes("0123456789"));
  assertEquals(conn.written, "0123456789");
});

Deno.test("Connection.write() reports a broken connection", async () => {
  const { conn, connection } = stage();
  conn.writeError = new Deno.errors.BrokenPipe("gone");
  assertEquals((await assertRejects(() => connection.write(toBytes("a")), ProxyError)).code, "connection_reset");
});

Deno.test("Connection.sendOut() goes on until everything is written", async () => {
  const { conn, connection } = stage();
  conn.writeMax = 3;
  connection.beginExchange();
  connection.out.ascii("0123456789");
  connection.sendOut();
  conn.push(`${OK}Content-Length: 0\r\n\r\n`);
  await connection.readHead(GET);
  for (let turn = 0; turn < 20; turn++) await undefined;
  assertEquals([conn.written, connection.canReuse as unknown], ["0123456789", true]);
});

Deno.test("Connection.sendOut() that fails ends who waits for the head", async () => {
  const { conn, connection } = stage();
  conn.writeError = new Deno.errors.BrokenPipe("gone");
  connection.beginExchange();
  connection.out.ascii("GET / HTTP/1.1\r\n\r\n");
  connection.sendOut();
  const error = await assertRejects(() => connection.readHead(GET), ProxyError);
  assertEquals([error.code as string, connection.isClosed], ["connection_reset", true]);
});

Deno.test("Connection.sendOut() that is not done when the response is leaves nothing to be used again", async () => {
  const { conn, connection } = stage();
  connection.beginExchange();
  connection.out.ascii("GET / HTTP/1.1\r\n\r\n");
  conn.write = () => new Promise(() => {});
  connection.sendOut();
  conn.push(`${OK}Content-Length: 0\r\n\r\n`);
  await connection.readHead(GET);
  assertEquals([connection.isBodyDone, connection.canReuse], [true, false]);
});

Deno.test("Connection.abort() gives its error to who reads and who writes, and closes once", async () => {
  const { conn, connection } = stage();
  connection.beginExchange();
  const reading = connection.readHead(GET);
  connection.abort(new ProxyError("total_timeout"));
  connection.abort(new ProxyError("client_gone"));
  connection.close();
  assertEquals((await assertRejects(() => reading, ProxyError)).code, "total_timeout");
  assertEquals((await assertRejects(() => connection.write(toBytes("a")), ProxyError)).code, "total_timeout");
  assertEquals([connection.isClosed, conn.isClosed, connection.canReuse], [true, true, false]);
});

Deno.test("Connection.abort() in the middle of a body is no clean end, also where the connection is the framing", async () => {
  const { conn, connection } = stage();
  connection.beginExchange();
  conn.push(`${OK}\r\nhe`);
  await connection.readHead(GET);
  assertEquals(toText(await connection.readBody() as Uint8Array), "he");
  const reading = connection.readBody();
  connection.abort(new ProxyError("response_idle_timeout"));
  assertEquals((await assertRejects(() => reading, ProxyError)).code, "response_idle_timeout");
});

Deno.test("Connection.park() tells once when anything comes, and the pending read serves the next exchange", async () => {
  const { conn, connection } = stage();
  let deaths = 0;
  const onDead = (dead: Connection) => {
    deaths++;
    dead.close();
  };
  for (let number = 0; number < 2; number++) {
    connection.beginExchange();
    const reading = readResponse(connection);
    conn.push(`${OK}Content-Length: 2\r\n\r\nok`);
    assertEquals((await reading).body, "ok");
    connection.park(number, onDead);
    connection.unpark();
  }
  assertEquals([deaths, connection.exchanges, connection.idleSinceMs], [0, 2, 1]);
  connection.park(2, onDead);
  conn.push("junk");
  await settled();
  assertEquals(deaths, 1);
});

Deno.test("Connection.park() after close() says nothing", async () => {
  const { connection } = stage();
  connection.park(0, () => {
    throw new Error("Told of a close of our own");
  });
  connection.close();
  await settled();
});

Deno.test("Connection counts what came since the exchange began", async () => {
  const { conn, connection } = stage();
  const wire = `${OK}Content-Length: 2\r\n\r\nok`;
  for (const _ of "12") {
    connection.beginExchange();
    assertEquals(connection.bytesIn, 0);
    conn.push(wire);
    await readResponse(connection);
    assertEquals(connection.bytesIn, wire.length);
  }
});

Deno.test("Connection.own() makes a piece outlive the next read, small or large", async () => {
  const body = "0123456789abcdef".repeat(20_000);
  const { conn, connection } = stage();
  connection.beginExchange();
  conn.push(toText(response(200, body)));
  await connection.readHead(GET);
  const pieces: Uint8Array[] = [];
  for (let piece = await connection.readBody(); piece !== END; piece = await connection.readBody()) {
    pieces.push(connection.own(piece));
  }
  assert(pieces.map(toText).join("") === body);
  assertEquals(connection.canReuse, true);
});

Deno.test("Connection.takeBody() gives what is here and never waits", async () => {
  const { conn, connection } = stage();
  connection.beginExchange();
  conn.push(`${OK}Transfer-Encoding: chunked\r\n\r\n`);
  await connection.readHead(GET);
  assertEquals(connection.takeBody(), WAIT);
  conn.push(toText(chunked(toBytes("hello"))));
  assertEquals(toText(await connection.readBody() as Uint8Array), "he");
  assertEquals(toText(connection.takeBody() as Uint8Array), "llo");
  assertEquals(connection.takeBody(), END);
});

Deno.test("Connection.readRaw() gives bytes behind a 101 as they come, then null", async () => {
  const { conn, connection } = stage();
  connection.beginExchange();
  conn.push("HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\nfirst");
  await connection.readHead(GET);
  assertEquals(toText((await connection.readRaw())!), "first");
  conn.push("second");
  assertEquals(toText((await connection.readRaw())!), "second");
  await connection.closeWrite();
  conn.end();
  assertEquals([await connection.readRaw(), conn.isWriteClosed], [null, true]);
});

function stage(): { conn: FakeConn; connection: Connection } {
  const conn = new FakeConn();
  return { conn, connection: new Connection(conn.asConn(), RESPONSE_BOUNDS, 0) };
}

async function readResponse(connection: Connection, method = "GET"): Promise<{ status: number; body: string }> {
  await connection.readHead({ ...GET, method });
  const { status } = connection.head;
  let body = "";
  for (let piece = await connection.readBody(); piece !== END; piece = await connection.readBody()) {
    body += toText(piece);
  }
  return { status, body };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await undefined;
}
