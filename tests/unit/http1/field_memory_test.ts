/** Fields that come again: recalled where they are the same to the byte, and decoded where anything differs. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProxyError } from "../../../lib/base/errors.ts";
import { ByteWriter } from "../../../lib/base/byte_writer.ts";
import { FieldId } from "../../../lib/base/field_names.ts";
import { useFastPath } from "../../../lib/base/fast_path.ts";
import { FieldEdits, NO_EDITS } from "../../../lib/fields/edits.ts";
import { decodeRequestHead } from "../../../lib/http1/decode_request.ts";
import { decodeResponseHead } from "../../../lib/http1/decode_response.ts";
import { FieldMemory } from "../../../lib/http1/field_memory.ts";
import { isPersistent, requestFraming } from "../../../lib/http1/framing.ts";
import { Head, type HeadBounds } from "../../../lib/http1/head.ts";
import { copyFields } from "../../../lib/proxy/message/copy_fields.ts";
import { FieldFilter } from "../../../lib/proxy/message/field_filter.ts";
import { responseFilter } from "../../../lib/proxy/message/backend_response.ts";

const BOUNDS: HeadBounds = { bytesMax: 8192, fieldsMax: 40, targetBytesMax: 64 };
const BUFFER_BYTES_MAX = 2048;
const FIELDS = "Host: a.example\r\nContent-Length: 12\r\nX-Y: \t z \r\nConnection: keep-alive, X-Y\r\n\r\n";

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Decodes a head that stands at `offset` of its buffer. */
function decode(head: Head, wire: string, offset = 0, bounds = BOUNDS): void {
  const bytes = new Uint8Array(offset + wire.length + 9).fill(0x0d);
  bytes.set(bytesOf(wire), offset);
  head.reset();
  assertEquals(decodeRequestHead(head, bytes, offset, offset + wire.length, bounds), wire.length);
}

function seenOf(head: Head): unknown {
  const fields: unknown[] = [];
  for (let i = 0; i < head.count; i++) fields.push([head.name(i), head.lowerName(i), head.value(i), head.ids[i]]);
  const found = Array.from({ length: 64 }, (_, id) => [head.find(id), head.get(id)]);
  const last = String.fromCharCode(...head.fieldBytes.subarray(head.fieldsEnd - 3, head.fieldsEnd + 2));
  return [head.method, fields, found, last, head.start, head.end, requestFraming(head), isPersistent(head)];
}

/** What a head without a memory makes of it. */
function plain(wire: string, offset = 0): unknown {
  const head = new Head();
  decode(head, wire, offset);
  return seenOf(head);
}

function remembering(wire: string): Head {
  const head = new Head();
  head.memory = new FieldMemory(BUFFER_BYTES_MAX);
  for (let i = 0; i < 3; i++) decode(head, wire);
  assert(head.block !== null, "the third is recalled");
  return head;
}

Deno.test("a head's fields are recalled behind any request line and anywhere in a buffer, and are what they were", () => {
  const head = remembering(`GET / HTTP/1.1\r\n${FIELDS}`);
  for (const line of ["GET / HTTP/1.1", "\r\nDELETE /somewhere/else?x HTTP/1.1"]) {
    for (let offset = 0; offset < 5; offset++) {
      const wire = `${line}\r\n${FIELDS}`;
      decode(head, wire, offset);
      assert(head.block !== null);
      assertEquals(seenOf(head), plain(wire, offset));
    }
  }
});

Deno.test("fields that differ in any one byte are decoded", () => {
  for (let at = 0; at < FIELDS.length - 4; at++) {
    const before = FIELDS[at];
    if (!/[a-zA-Z0-9]/.test(before)) continue;
    const other = FIELDS.slice(0, at) + (before === "1" ? "3" : before === "2" ? "4" : "Q") + FIELDS.slice(at + 1);
    const head = remembering(`GET / HTTP/1.1\r\n${FIELDS}`);
    decode(head, `GET / HTTP/1.1\r\n${other}`);
    assertEquals(head.block, null, other);
    assertEquals(seenOf(head), plain(`GET / HTTP/1.1\r\n${other}`));
  }
});

Deno.test("fields that are only the beginning of others, or go on behind them, are decoded", () => {
  for (const other of ["Host: a.example\r\n\r\n", FIELDS.slice(0, -2) + "Host: b.example\r\n\r\n"]) {
    const head = remembering(`GET / HTTP/1.1\r\n${FIELDS}`);
    decode(head, `GET / HTTP/1.1\r\n${other}`);
    assertEquals(head.block, null);
    assertEquals(seenOf(head), plain(`GET / HTTP/1.1\r\n${other}`));
  }
});

Deno.test("the same fields under HTTP/1.0 mean what they mean there", () => {
  const fields = "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const head = remembering(`GET / HTTP/1.1\r\n${fields}`);
  requestFraming(head);
  decode(head, `GET / HTTP/1.0\r\n${fields}`);
  assertThrows(() => requestFraming(head), ProxyError);
  assertEquals(isPersistent(head), false);
});

Deno.test("what is recalled obeys the bounds of the moment", () => {
  const wire = `GET / HTTP/1.1\r\n${FIELDS}`;
  for (const bounds of [{ ...BOUNDS, fieldsMax: 3 }, { ...BOUNDS, bytesMax: wire.length - 1 }]) {
    const head = remembering(wire);
    const error = assertThrows(() => decode(head, wire, 0, bounds), ProxyError);
    assertEquals(error.code, "request_head_too_large");
    decode(head, wire); // after the error, as ever
    assertEquals(seenOf(head), plain(wire));
  }
});

Deno.test("a head of which the end is still to come is recalled when it is whole", () => {
  const wire = `GET / HTTP/1.1\r\n${FIELDS}`;
  const head = remembering(wire);
  const bytes = bytesOf(wire);
  head.reset();
  for (let end = 1; end < wire.length; end++) assertEquals(decodeRequestHead(head, bytes, 0, end, BOUNDS), 0);
  assertEquals(decodeRequestHead(head, bytes, 0, wire.length, BOUNDS), wire.length);
  assertEquals(seenOf(head), plain(wire));
});

Deno.test("a head moves with its buffer, and the fields that were recalled stay where they are", () => {
  const wire = `GET /x HTTP/1.1\r\n${FIELDS}`;
  const head = remembering(wire);
  const moved = new Uint8Array(wire.length + 7);
  moved.set(bytesOf(wire), 7);
  head.rebase(moved, 7);
  assertEquals(seenOf(head), plain(wire, 7));
});

Deno.test("a buffer that the connection does not keep is not kept by its memory either", () => {
  const wire = `GET / HTTP/1.1\r\n${FIELDS}`;
  const head = remembering(wire);
  const memory = head.memory!;
  assert(memory.heldBytes > 0);
  for (const tail of ["", "body".repeat(1000)]) {
    decode(head, wire);
    const bytes = bytesOf(wire + tail.padEnd(BUFFER_BYTES_MAX));
    head.reset();
    decodeRequestHead(head, bytes, 0, bytes.length, BOUNDS);
    assert(head.block !== null);
    assertEquals(memory.heldBytes, 0);
  }
});

Deno.test("without the fast path nothing is learned or recalled", () => {
  const wire = `GET / HTTP/1.1\r\n${FIELDS}`;
  const head = remembering(wire);
  useFastPath(false);
  try {
    decode(head, wire);
    assertEquals(head.block, null);
  } finally {
    useFastPath(true);
  }
});

Deno.test("fields that never come again are learned less and less, until some do", () => {
  const head = new Head();
  head.memory = new FieldMemory(BUFFER_BYTES_MAX);
  let learned = 0;
  for (let i = 10_000; i < 20_000; i++) {
    const bytes = bytesOf(`GET / HTTP/1.1\r\nEtag: ${i}\r\nX-A: ${"x".repeat(1205)}\r\n\r\n`);
    bytes.slice = (start, end) => {
      learned++;
      return Uint8Array.prototype.slice.call(bytes, start, end) as Uint8Array<ArrayBuffer>;
    };
    decodeRequestHead(head, bytes, 0, bytes.length, BOUNDS);
    assertEquals(head.block, null);
  }
  assert(learned > 0 && learned < 30, `${learned} of 10,000`);
  let decoded = 0;
  for (let i = 0; i < 5000; i++) {
    decode(head, `GET / HTTP/1.1\r\n${FIELDS}`);
    if (head.block === null) decoded++;
  }
  assert(decoded < 1100, `${decoded} of 5,000`);
});

/** What of the fields `filter` lets through, with line ends as "|". */
function copied(head: Head, filter: FieldFilter): string {
  const out = new ByteWriter();
  copyFields(out, head, filter);
  return String.fromCharCode(...out.view()).replaceAll("\r\n", "|");
}

Deno.test("of fields that come again each filter leaves what it leaves the first time", () => {
  const wire = "GET / HTTP/1.1\r\nA: 1\r\nCookie: c\r\nConnection: a\r\nb: 2\r\n\r\n";
  const none = new Uint8Array(256);
  const noCookie = none.slice();
  noCookie[FieldId.cookie] = 1;
  const nominating = new FieldFilter(none, NO_EDITS);
  nominating.nominated = ["a"];
  const filters = [
    new FieldFilter(none, NO_EDITS),
    new FieldFilter(noCookie, NO_EDITS),
    new FieldFilter(none, new FieldEdits({ set: [], add: [], remove: ["b"] })),
    nominating,
  ];
  const expected = ["A: 1|Cookie: c|Connection: a|b: 2|", "A: 1|Connection: a|b: 2|", "A: 1|Cookie: c|Connection: a|"];
  expected.push("Cookie: c|Connection: a|b: 2|");
  const head = remembering(wire);
  for (let i = 0; i < 3; i++) {
    for (const [index, filter] of filters.entries()) {
      decode(head, wire);
      assert(head.block !== null);
      assertEquals(copied(head, filter), expected[index]);
    }
  }
});

Deno.test("the filter of a response that comes again is that of its route", () => {
  const wire = "HTTP/1.1 200 OK\r\nA: 1\r\nConnection: b\r\nb: 2\r\n\r\n";
  const head = new Head();
  head.memory = new FieldMemory(BUFFER_BYTES_MAX);
  const removing = new FieldEdits({ set: [], add: [], remove: ["a"] });
  for (let i = 0; i < 6; i++) {
    head.reset();
    decodeResponseHead(head, bytesOf(wire), 0, wire.length, BOUNDS);
    assertEquals(head.block !== null, i > 1);
    assertEquals(copied(head, responseFilter(head, NO_EDITS)), "A: 1|");
    assertEquals(copied(head, responseFilter(head, removing)), "");
  }
});
