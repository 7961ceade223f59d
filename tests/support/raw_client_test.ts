/** The client: reads what is right, and nothing else. */

import { assertEquals, assertRejects } from "./assert.ts";
import { answer, closeMidway, informational, response, trickle } from "./backend_scripts.ts";
import { UnexpectedEnd } from "./byte_source.ts";
import { MessageError } from "./http_message.ts";
import { get, RawClient } from "./raw_client.ts";
import { ScriptedBackend } from "./scripted_backend.ts";
import { DeadlineError, Gate } from "./waiting.ts";
import { toBytes } from "./wire_bytes.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

const GOOD_RESPONSES = [
  { name: "a counted body", wire: response(200, "hello"), text: "hello", keepAlive: true },
  { name: "a chunked body", wire: response(200, "hello", { framing: "chunked" }), text: "hello", keepAlive: true },
  { name: "an empty chunked body", wire: response(200, "", { framing: "chunked" }), text: "", keepAlive: true },
  { name: "204 without a body", wire: response(204, "", { framing: "none" }), text: "", keepAlive: true },
  {
    name: "304 with the length of what it stands for",
    wire: toBytes("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
    text: "",
    keepAlive: true,
  },
  { name: "an empty reason", wire: toBytes("HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx"), text: "x", keepAlive: true },
  {
    name: "Connection: close",
    wire: response(200, "hello", { fields: [["Connection", "close"]] }),
    text: "hello",
    keepAlive: false,
  },
  { name: "HTTP/1.0", wire: response(200, "hello", { version: "1.0" }), text: "hello", keepAlive: false },
];

for (const { name, wire, text, keepAlive } of GOOD_RESPONSES) {
  for (const feed of ["whole", "byte by byte"]) {
    Deno.test(`RawClient.readResponse() reads ${name} (${feed})`, async () => {
      const pieces = feed === "whole" ? [wire] : [...wire].map((byte) => Uint8Array.of(byte));
      await using backend = ScriptedBackend.start(trickle(pieces, () => Promise.resolve()));
      using client = await RawClient.connect(backend.address);
      await client.send(GET);
      const reply = await client.readResponse();
      assertEquals(reply.text, text);
      assertEquals(reply.keepAlive, keepAlive);
      assertEquals(reply.raw, wire);
    });
  }
}

const BAD_RESPONSES = [
  { name: "a bare LF", wire: "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", error: MessageError },
  {
    name: "both framings",
    wire: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    error: MessageError,
  },
  {
    name: "two lengths",
    wire: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    error: MessageError,
  },
  { name: "a blank before a colon", wire: "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", error: MessageError },
  { name: "a folded line", wire: "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", error: MessageError },
  { name: "a signed length", wire: "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx", error: MessageError },
  { name: "an unknown coding", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", error: MessageError },
  {
    name: "a malformed chunk size",
    wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
    error: MessageError,
  },
  {
    name: "a chunk longer than its size",
    wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz0\r\n\r\n",
    error: MessageError,
  },
  { name: "204 with a length", wire: "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", error: MessageError },
  { name: "a close amid the body", wire: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", error: UnexpectedEnd },
  {
    name: "a close amid a chunk",
    wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nx",
    error: UnexpectedEnd,
  },
  {
    name: "a close before the last chunk",
    wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
    error: UnexpectedEnd,
  },
  { name: "a close without a response", wire: "", error: MessageError },
];

for (const { name, wire, error } of BAD_RESPONSES) {
  Deno.test(`RawClient.readResponse() rejects ${name}`, async () => {
    await using backend = ScriptedBackend.start(closeMidway(wire));
    using client = await RawClient.connect(backend.address);
    await client.send(GET);
    await assertRejects<Error>(() => client.readResponse(), error);
  });
}

Deno.test("RawClient.readResponse() says at the deadline what has come", async () => {
  await using backend = ScriptedBackend.start(trickle(["HTTP/1.1 200", "never"], () => new Gate().opened));
  using client = await RawClient.connect(backend.address, { deadlineMs: 50 });
  await client.send(GET);
  await assertRejects(() => client.readResponse(), DeadlineError, '"HTTP/1.1 200"');
});

Deno.test("RawClient.readResponse() keeps 1xx and trailers apart", async () => {
  const final = response(200, "x", { framing: "chunked", trailers: [["X-Sum", "1"]] });
  await using backend = ScriptedBackend.start(informational(["HTTP/1.1 103 Early Hints\r\nLink: </a>"], final));
  const reply = await get(backend.address, "/");
  assertEquals(reply.informational.map(({ status, fields }) => ({ status, fields })), [
    { status: 103, fields: [["Link", "</a>"]] },
  ]);
  assertEquals(reply.trailers, [["X-Sum", "1"]]);
});

Deno.test("RawClient.readResponse() expects no body for HEAD", async () => {
  await using backend = ScriptedBackend.start(answer("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"));
  using client = await RawClient.connect(backend.address);
  for (const _round of [1, 2]) {
    await client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assertEquals((await client.readResponse({ method: "HEAD" })).body.length, 0);
  }
});
