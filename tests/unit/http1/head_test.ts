/**
 * Heads, each fed whole, byte by byte, byte by byte to a buffer that moves, and with bytes behind it that must survive.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProxyError } from "../../../lib/base/errors.ts";
import { FieldId } from "../../../lib/base/field_names.ts";
import { decodeRequestHead } from "../../../lib/http1/decode_request.ts";
import { decodeResponseHead } from "../../../lib/http1/decode_response.ts";
import { Head, type HeadBounds } from "../../../lib/http1/head.ts";

const BOUNDS: HeadBounds = { bytesMax: 1024, fieldsMax: 8, targetBytesMax: 64 };
const FEEDS = ["whole", "byte by byte", "moving buffer", "with trailing bytes"] as const;
type Feed = typeof FEEDS[number];
type Decode = typeof decodeRequestHead;

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** @returns Bytes consumed; 0 when the head did not become complete. */
function feed(decode: Decode, head: Head, wire: string, how: Feed, bounds: HeadBounds = BOUNDS): number {
  const bytes = bytesOf(how === "with trailing bytes" ? wire + "GET /next\r\n\r\n" : wire);
  if (how === "whole" || how === "with trailing bytes") return decode(head, bytes, 0, bytes.length, bounds);
  for (let length = 1; length <= bytes.length; length++) {
    let consumed: number;
    if (how === "byte by byte") {
      consumed = decode(head, bytes, 0, length, bounds);
    } else {
      const offset = (length * 7) % 5;
      const moved = new Uint8Array(offset + length + 3).fill(0x0a);
      moved.set(bytes.subarray(0, length), offset);
      consumed = decode(head, moved, offset, offset + length, bounds);
    }
    if (consumed !== 0) return consumed;
  }
  return 0;
}

function textOf(head: Head, start: number, end: number): string {
  return String.fromCharCode(...head.bytes.subarray(start, end));
}

function summary(head: Head): Record<string, unknown> {
  const fields: [string, string][] = [];
  for (let i = 0; i < head.count; i++) fields.push([head.name(i), head.value(i)]);
  return {
    method: head.method,
    target: textOf(head, head.targetStart, head.targetEnd),
    status: head.status,
    reason: textOf(head, head.reasonStart, head.reasonEnd),
    minorVersion: head.minorVersion,
    fields,
  };
}

interface Accepted {
  readonly name: string;
  readonly wire: string;
  readonly expected: Record<string, unknown>;
}

const REQUESTS: Accepted[] = [
  { name: "no fields", wire: "GET / HTTP/1.1\r\n\r\n", expected: { method: "GET", target: "/", fields: [] } },
  { name: "HTTP/1.0", wire: "GET / HTTP/1.0\r\n\r\n", expected: { minorVersion: 0 } },
  {
    name: "one CRLF before the request line (9112 §2.2)",
    wire: "\r\nHEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
    expected: { method: "HEAD", target: "/a", fields: [["Host", "a"]] },
  },
  {
    name: "a method nobody knows, case kept (9110 §9.1)",
    wire: "get!#$%&'*+-.^_`|~09 * HTTP/1.1\r\n\r\n",
    expected: { method: "get!#$%&'*+-.^_`|~09", target: "*" },
  },
  {
    name: "absolute target with all that passes through",
    wire: 'GET http://a/../%2e%00//b?x={}|\\^"<>`\xe9 HTTP/1.1\r\n\r\n',
    expected: { target: 'http://a/../%2e%00//b?x={}|\\^"<>`\xe9' },
  },
  {
    name: "authority target",
    wire: "CONNECT a:443 HTTP/1.1\r\n\r\n",
    expected: { method: "CONNECT", target: "a:443" },
  },
  {
    name: "whitespace around values is not theirs (9112 §5)",
    wire: "GET / HTTP/1.1\r\na:b\r\nc: \t d \te\t \r\nempty:\r\nblank: \t\r\n\r\n",
    expected: { fields: [["a", "b"], ["c", "d \te"], ["empty", ""], ["blank", ""]] },
  },
  {
    name: "obs-text, every token character, and a colon in a value (9110 §5.5)",
    wire: "GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~aZ9: \x80\x9f\xff:\r\n\r\n",
    expected: { fields: [["!#$%&'*+-.^_`|~aZ9", "\x80\x9f\xff:"]] },
  },
];

const RESPONSES: Accepted[] = [
  { name: "status 100", wire: "HTTP/1.1 100 Continue\r\n\r\n", expected: { status: 100, reason: "Continue" } },
  { name: "reason", wire: "HTTP/1.1 200 OK\r\n\r\n", expected: { status: 200, reason: "OK", fields: [] } },
  { name: "empty reason", wire: "HTTP/1.1 204 \r\n\r\n", expected: { status: 204, reason: "" } },
  { name: "no space behind the status", wire: "HTTP/1.1 204\r\na: b\r\n\r\n", expected: { status: 204, reason: "" } },
  {
    name: "reason with obs-text and tab (9112 §4)",
    wire: "HTTP/1.0 404 Nicht\tg\xe9funden \r\n\r\n",
    expected: { status: 404, reason: "Nicht\tg\xe9funden ", minorVersion: 0 },
  },
  {
    name: "status 599, and lines that repeat",
    wire: "HTTP/1.1 599 X\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\n",
    expected: { status: 599, fields: [["Set-Cookie", "a"], ["set-cookie", "b"]] },
  },
];

for (
  const [symbol, decode, cases] of [
    ["decodeRequestHead()", decodeRequestHead, REQUESTS],
    ["decodeResponseHead()", decodeResponseHead, RESPONSES],
  ] as const
) {
  for (const { name, wire, expected } of cases) {
    for (const how of FEEDS) {
      Deno.test(`${symbol} takes ${name} (${how})`, () => {
        const head = new Head();
        assertEquals(feed(decode, head, wire, how), wire.length);
        const got = summary(head);
        for (const key of Object.keys(expected)) assertEquals(got[key], expected[key], key);
        assertEquals(textOf(head, head.start, head.end), wire.replace(/^\r\n/, ""));
        assertEquals(head.base + wire.length, head.end);
      });
    }
  }
}

interface Refused {
  readonly name: string;
  readonly wire: string;
  readonly code?: string;
}

/** What is wrong with a field section, whatever is before it. */
const BAD_FIELDS: Refused[] = [
  { name: "bare LF behind a field (9112 §2.2)", wire: "a: b\nc: d\r\n\r\n" },
  { name: "bare LF as the empty line", wire: "a: b\r\n\n" },
  { name: "LF LF", wire: "a: b\n\n" },
  { name: "bare CR in a value (9112 §2.2)", wire: "a: b\rc\r\n\r\n" },
  { name: "bare CR behind a value", wire: "a: b\r\r\n\r\n" },
  { name: "CR instead of the empty line", wire: "a: b\r\n\ra: b\r\n\r\n" },
  { name: "space before the colon (9112 §5.1)", wire: "Transfer-Encoding : chunked\r\n\r\n" },
  { name: "tab before the colon", wire: "Content-Length\t: 5\r\n\r\n" },
  { name: "line folding with a space (9112 §5.2)", wire: "a: b\r\n c\r\n\r\n" },
  { name: "line folding with a tab", wire: "Transfer-Encoding:\r\n\tchunked\r\n\r\n" },
  { name: "whitespace before the first field (9112 §2.2)", wire: " a: b\r\n\r\n" },
  { name: "empty name", wire: ": b\r\n\r\n" },
  { name: "no colon", wire: "abc\r\n\r\n" },
  { name: "vertical tab in a value", wire: "Transfer-Encoding: chunked\x0b\r\n\r\n" },
  { name: "vertical tab before a value", wire: "Transfer-Encoding:\x0bchunked\r\n\r\n" },
  { name: "vertical tab in a name", wire: "Transfer-Encoding\x0b: chunked\r\n\r\n" },
  { name: "form feed in a value", wire: "a: \x0cb\r\n\r\n" },
  { name: "NUL in a value (9110 §5.5)", wire: "a: b\0c\r\n\r\n" },
  { name: "NUL in a name", wire: "a\0: b\r\n\r\n" },
  { name: "DEL in a value", wire: "a: b\x7f\r\n\r\n" },
  { name: "escape character in a value", wire: "a: \x1b[0m\r\n\r\n" },
  { name: "obs-text in a name", wire: "a\xe9: b\r\n\r\n" },
  { name: "space in a name", wire: "a b: c\r\n\r\n" },
  { name: "slash in a name", wire: "a/b: c\r\n\r\n" },
  { name: "quotes in a name", wire: 'a"b": c\r\n\r\n' },
];

const BAD_REQUESTS: Refused[] = [
  ...BAD_FIELDS.map(({ name, wire }) => ({ name, wire: "GET / HTTP/1.1\r\n" + wire })),
  { name: "two CRLFs before the request line", wire: "\r\n\r\nGET / HTTP/1.1\r\n\r\n" },
  { name: "LF before the request line", wire: "\nGET / HTTP/1.1\r\n\r\n" },
  { name: "CR before the request line", wire: "\rGET / HTTP/1.1\r\n\r\n" },
  { name: "space before the method", wire: " GET / HTTP/1.1\r\n\r\n" },
  { name: "two spaces behind the method", wire: "GET  / HTTP/1.1\r\n\r\n" },
  { name: "tab behind the method", wire: "GET\t/ HTTP/1.1\r\n\r\n" },
  { name: "two spaces before the version", wire: "GET /  HTTP/1.1\r\n\r\n" },
  { name: "space behind the version", wire: "GET / HTTP/1.1 \r\n\r\n" },
  { name: "space in the target (9112 §3)", wire: "GET /a b HTTP/1.1\r\n\r\n" },
  { name: "tab in the target", wire: "GET /a\tb HTTP/1.1\r\n\r\n" },
  { name: "DEL in the target", wire: "GET /\x7f HTTP/1.1\r\n\r\n" },
  { name: "NUL in the target", wire: "GET /\0 HTTP/1.1\r\n\r\n" },
  { name: "CR in the target", wire: "GET /\r HTTP/1.1\r\n\r\n" },
  { name: "fragment in the target (9112 §3.2)", wire: "GET /a#b HTTP/1.1\r\n\r\n" },
  { name: "empty target", wire: "GET  HTTP/1.1\r\n\r\n" },
  { name: "no target", wire: "GET HTTP/1.1\r\n\r\n" },
  { name: "no method", wire: " / HTTP/1.1\r\n\r\n" },
  { name: "non-token method", wire: "G(T / HTTP/1.1\r\n\r\n" },
  { name: "obs-text in the method", wire: "G\xc9T / HTTP/1.1\r\n\r\n" },
  { name: "HTTP/0.9", wire: "GET /\r\n\r\n" },
  { name: "HTTP/2.0", wire: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
  { name: "HTTP/1.2", wire: "GET / HTTP/1.2\r\n\r\n" },
  { name: "HTTP/1.10", wire: "GET / HTTP/1.10\r\n\r\n" },
  { name: "HTTP/01.1", wire: "GET / HTTP/01.1\r\n\r\n" },
  { name: "HTTP/1,1", wire: "GET / HTTP/1,1\r\n\r\n" },
  { name: "lower-case version", wire: "GET / http/1.1\r\n\r\n" },
  { name: "another protocol", wire: "GET / ICAP/1.0\r\n\r\n" },
  { name: "bare LF behind the request line", wire: "GET / HTTP/1.1\nHost: a\r\n\r\n" },
  { name: "a TLS client hello", wire: "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" },
  {
    name: "a target over the bound",
    wire: `GET /${"a".repeat(BOUNDS.targetBytesMax)} HTTP/1.1\r\n\r\n`,
    code: "target_too_long",
  },
  {
    name: "more fields than the bound",
    wire: "GET / HTTP/1.1\r\n" + "a: b\r\n".repeat(BOUNDS.fieldsMax + 1) + "\r\n",
    code: "request_head_too_large",
  },
  {
    name: "a head over the bound",
    wire: `GET / HTTP/1.1\r\na: ${"b".repeat(BOUNDS.bytesMax)}\r\n\r\n`,
    code: "request_head_too_large",
  },
  { name: "an endless name", wire: "GET / HTTP/1.1\r\n" + "a".repeat(2000), code: "request_head_too_large" },
  { name: "an endless target", wire: "GET /" + "a".repeat(2000), code: "target_too_long" },
  { name: "an endless method", wire: "G".repeat(2000), code: "request_head_too_large" },
];

const BAD_RESPONSES: Refused[] = [
  ...BAD_FIELDS.map(({ name, wire }) => ({ name, wire: "HTTP/1.1 200 OK\r\n" + wire })),
  { name: "CRLF before the status line", wire: "\r\nHTTP/1.1 200 OK\r\n\r\n" },
  { name: "two digits", wire: "HTTP/1.1 20 OK\r\n\r\n" },
  { name: "four digits", wire: "HTTP/1.1 2000 OK\r\n\r\n" },
  { name: "status 099", wire: "HTTP/1.1 099 OK\r\n\r\n" },
  { name: "status 600", wire: "HTTP/1.1 600 OK\r\n\r\n" },
  { name: "a signed status", wire: "HTTP/1.1 +20 OK\r\n\r\n" },
  { name: "a hexadecimal status", wire: "HTTP/1.1 2a0 OK\r\n\r\n" },
  { name: "two spaces before the status", wire: "HTTP/1.1  200 OK\r\n\r\n" },
  { name: "a tab before the status", wire: "HTTP/1.1\t200 OK\r\n\r\n" },
  { name: "a tab behind the status", wire: "HTTP/1.1 200\tOK\r\n\r\n" },
  { name: "no status", wire: "HTTP/1.1\r\n\r\n" },
  { name: "NUL in the reason", wire: "HTTP/1.1 200 O\0K\r\n\r\n" },
  { name: "bare LF behind the status line", wire: "HTTP/1.1 200 OK\na: b\r\n\r\n" },
  { name: "bare CR in the reason", wire: "HTTP/1.1 200 O\rK\r\n\r\n" },
  { name: "HTTP/2", wire: "HTTP/2 200 OK\r\n\r\n" },
  { name: "HTTP/1.2", wire: "HTTP/1.2 200 OK\r\n\r\n" },
  { name: "ICY", wire: "ICY 200 OK\r\n\r\n" },
  { name: "HTML without a head", wire: "<html>\r\n\r\n" },
  {
    name: "more fields than the bound",
    wire: "HTTP/1.1 200 OK\r\n" + "a: b\r\n".repeat(BOUNDS.fieldsMax + 1) + "\r\n",
    code: "response_head_too_large",
  },
  { name: "an endless reason", wire: "HTTP/1.1 200 " + "a".repeat(2000), code: "response_head_too_large" },
];

for (
  const [symbol, decode, cases, defaultCode] of [
    ["decodeRequestHead()", decodeRequestHead, BAD_REQUESTS, "request_invalid"],
    ["decodeResponseHead()", decodeResponseHead, BAD_RESPONSES, "response_invalid"],
  ] as const
) {
  for (const { name, wire, code = defaultCode } of cases) {
    for (const how of FEEDS) {
      Deno.test(`${symbol} refuses ${name} (${how})`, () => {
        const error = assertThrows(() => feed(decode, new Head(), wire, how), ProxyError);
        assertEquals(error.code, code);
      });
    }
  }
}

for (const how of FEEDS) {
  Deno.test(`decodeRequestHead() takes a head, a target and a number of fields equal to their bounds (${how})`, () => {
    const wire = "GET /abc HTTP/1.1\r\na: b\r\nc: d\r\n\r\n";
    const bounds = { bytesMax: wire.length, fieldsMax: 2, targetBytesMax: 4 };
    const head = new Head();
    assertEquals(feed(decodeRequestHead, head, wire, how, bounds), wire.length);
    assertEquals(head.count, 2);
  });

  Deno.test(`decodeRequestHead() refuses a head one byte over its bound (${how})`, () => {
    const wire = "GET /abc HTTP/1.1\r\na: b\r\nc: d\r\n\r\n";
    const bounds = { bytesMax: wire.length - 1, fieldsMax: 2, targetBytesMax: 4 };
    const error = assertThrows(() => feed(decodeRequestHead, new Head(), wire, how, bounds), ProxyError);
    assertEquals(error.code, "request_head_too_large");
  });
}

Deno.test("decodeRequestHead() finds nothing complete in any proper prefix", () => {
  const bytes = bytesOf("\r\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
  for (let length = 0; length < bytes.length; length++) {
    assertEquals(decodeRequestHead(new Head(), bytes, 0, length, BOUNDS), 0, `prefix of ${length} bytes`);
  }
});

Deno.test("decodeRequestHead() reads nothing outside of start and end", () => {
  const bytes = bytesOf("\r\n\0GET / HTTP/1.1\r\na: b\r\n\r\n\0");
  const head = new Head();
  assertEquals(decodeRequestHead(head, bytes, 3, bytes.length - 1, BOUNDS), bytes.length - 4);
  assertEquals([head.start, head.end, head.value(0)], [3, bytes.length - 1, "b"]);
});

Deno.test("decodeRequestHead() begins anew behind a complete head", () => {
  const bytes = bytesOf("GET /1 HTTP/1.1\r\na: b\r\n\r\nPUT /2 HTTP/1.0\r\n\r\n");
  const head = new Head();
  const first = decodeRequestHead(head, bytes, 0, bytes.length, BOUNDS);
  assertEquals([head.method, head.count], ["GET", 1]);
  assertEquals(first + decodeRequestHead(head, bytes, first, bytes.length, BOUNDS), bytes.length);
  assertEquals([head.method, head.count, head.minorVersion], ["PUT", 0, 0]);
});

Deno.test("Head.reset() makes a head usable after an error", () => {
  const head = new Head();
  assertThrows(() => feed(decodeRequestHead, head, "GET / HTTP/1.1\r\na: b\r\nc\0\r\n\r\n", "whole"), ProxyError);
  head.reset();
  const wire = "GET / HTTP/1.1\r\nd: e\r\n\r\n";
  assertEquals(feed(decodeRequestHead, head, wire, "whole"), wire.length);
  assertEquals([head.count, head.name(0)], [1, "d"]);
});

Deno.test("decodeRequestHead() does linear work on a long line that comes byte by byte", () => {
  // Counts reads rather than time: a quadratic decoder would make some 10^9 of them.
  let reads = 0;
  const line = bytesOf("GET / HTTP/1.1\r\na: " + "b".repeat(30_000));
  const counted = new Proxy(line, {
    get(target, key) {
      if (typeof key === "string") reads++;
      return Reflect.get(target, key, target);
    },
  });
  const bounds = { bytesMax: 65_536, fieldsMax: 8, targetBytesMax: 64 };
  const head = new Head();
  for (let length = 1; length <= line.length; length++) {
    assertEquals(decodeRequestHead(head, counted, 0, length, bounds), 0);
  }
  assert(reads < line.length * 6, `${reads} reads of ${line.length} bytes`);
});

Deno.test("Head.find(), has() and get() see every line of a field in either case", () => {
  const head = new Head();
  const wire = "GET / HTTP/1.1\r\nVIA: a\r\nx-a: 1\r\nvia: b\r\nX-Forwarded-For: c\r\n\r\n";
  feed(decodeRequestHead, head, wire, "moving buffer");
  assertEquals([head.find(FieldId.via), head.find(FieldId.via, 1), head.find(FieldId.via, 3)], [0, 2, -1]);
  assertEquals([head.has(FieldId.x_forwarded_for), head.has(FieldId.host)], [true, false]);
  assertEquals([head.get(FieldId.via), head.get(FieldId.host)], ["a, b", null]);
  assertEquals([head.lowerName(0), head.lowerName(1), head.lowerName(3)], ["via", "x-a", "x-forwarded-for"]);
});

Deno.test("Head.offsets hold field lines that are contiguous up to the empty line", () => {
  const head = new Head();
  const wire = "GET / HTTP/1.1\r\na: b \r\nc:d\r\n" + "e:\t\r\n".repeat(40) + "\r\n";
  feed(decodeRequestHead, head, wire, "byte by byte", { ...BOUNDS, fieldsMax: 100 });
  assertEquals(head.count, 42);
  for (let i = 0; i < head.count; i++) {
    const next = i + 1 < head.count ? head.offsets[4 * (i + 1)] : head.end - 2;
    assertEquals(textOf(head, next - 2, next), "\r\n");
    assertEquals(textOf(head, head.offsets[4 * i], next).split("\r\n").length, 2);
  }
});
