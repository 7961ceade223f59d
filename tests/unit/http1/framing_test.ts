import { assertEquals, assertThrows } from "@std/assert";
import { ProxyError } from "../../../lib/base/errors.ts";
import { decodeRequestHead } from "../../../lib/http1/decode_request.ts";
import { decodeResponseHead } from "../../../lib/http1/decode_response.ts";
import { isPersistent, requestFraming, responseFraming } from "../../../lib/http1/framing.ts";
import { BodyKind, type Framing } from "../../../lib/http1/body_kind.ts";
import { Head, type HeadBounds } from "../../../lib/http1/head.ts";

const BOUNDS: HeadBounds = { bytesMax: 4096, fieldsMax: 16, targetBytesMax: 64 };

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function requestHead(fields: string, startLine = "POST / HTTP/1.1"): Head {
  const bytes = bytesOf(`${startLine}\r\n${fields}\r\n`);
  const head = new Head();
  assertEquals(decodeRequestHead(head, bytes, 0, bytes.length, BOUNDS), bytes.length);
  return head;
}

function responseHead(fields: string, statusLine = "HTTP/1.1 200 OK"): Head {
  const bytes = bytesOf(`${statusLine}\r\n${fields}\r\n`);
  const head = new Head();
  assertEquals(decodeResponseHead(head, bytes, 0, bytes.length, BOUNDS), bytes.length);
  return head;
}

function framing(kind: number, length: number, keepAlive: boolean): Framing {
  return { kind, length, keepAlive };
}

const { none, length, chunked, until_close } = BodyKind;

/** Refused in requests and responses alike; the fields pass the grammar of heads. */
const BAD_FRAMINGS: { name: string; fields: string }[] = [
  { name: "both fields (9112 §6.1)", fields: "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" },
  { name: "both fields, the other order", fields: "transfer-encoding: chunked\r\ncontent-length: 5\r\n" },
  { name: "both fields, length 0", fields: "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n" },
  { name: "both fields, the coding unknown", fields: "Transfer-Encoding: x\r\nContent-Length: 5\r\n" },
  { name: "both fields, the coding empty", fields: "Transfer-Encoding:\r\nContent-Length: 5\r\n" },
  { name: "an empty list element before chunked", fields: "Transfer-Encoding: , chunked\r\n" },
  { name: "an empty list element behind chunked", fields: "Transfer-Encoding: chunked,\r\n" },
  { name: "xchunked", fields: "Transfer-Encoding: xchunked\r\n" },
  { name: "chunkedx", fields: "Transfer-Encoding: chunkedx\r\n" },
  { name: "chunked in quotes", fields: 'Transfer-Encoding: "chunked"\r\n' },
  { name: "chunked with a parameter", fields: "Transfer-Encoding: chunked;q=1\r\n" },
  { name: "chunked with a high byte", fields: "Transfer-Encoding: chunked\xa0\r\n" },
  { name: "chunked with a high byte before", fields: "Transfer-Encoding: \x85chunked\r\n" },
  { name: "chunked with the Kelvin sign's bytes", fields: "Transfer-Encoding: chun\xe2\x84\xaaed\r\n" },
  { name: "chunked, identity", fields: "Transfer-Encoding: chunked, identity\r\n" },
  { name: "identity, chunked", fields: "Transfer-Encoding: identity, chunked\r\n" },
  { name: "identity", fields: "Transfer-Encoding: identity\r\n" },
  { name: "gzip, chunked: a coding that we do not know", fields: "Transfer-Encoding: gzip, chunked\r\n" },
  { name: "chunked not last (9112 §6.1)", fields: "Transfer-Encoding: chunked, gzip\r\n" },
  { name: "chunked twice (9112 §7)", fields: "Transfer-Encoding: chunked, chunked\r\n" },
  { name: "chunked on two lines", fields: "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" },
  {
    name: "chunked, then identity on another line",
    fields: "Transfer-Encoding: chunked\r\nTransfer-encoding: identity\r\n",
  },
  { name: "an unknown coding, then chunked", fields: "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n" },
  { name: "an empty coding", fields: "Transfer-Encoding:\r\n" },
  { name: "whitespace inside", fields: "Transfer-Encoding: chun ked\r\n" },
  { name: "different lengths (9112 §6.3)", fields: "Content-Length: 5\r\nContent-Length: 6\r\n" },
  { name: "equal lengths on two lines", fields: "Content-Length: 5\r\ncontent-length: 5\r\n" },
  { name: "a list of equal lengths", fields: "Content-Length: 5, 5\r\n" },
  { name: "a list of different lengths", fields: "Content-Length: 5, 6\r\n" },
  { name: "a list with empty elements", fields: "Content-Length: ,5\r\n" },
  { name: "a plus sign", fields: "Content-Length: +5\r\n" },
  { name: "a minus sign", fields: "Content-Length: -5\r\n" },
  { name: "minus zero", fields: "Content-Length: -0\r\n" },
  { name: "hexadecimal", fields: "Content-Length: 0x5\r\n" },
  { name: "two numbers", fields: "Content-Length: 5 5\r\n" },
  { name: "an empty length", fields: "Content-Length:\r\n" },
  { name: "a blank length", fields: "Content-Length: \t \r\n" },
  { name: "a fraction", fields: "Content-Length: 5.0\r\n" },
  { name: "an exponent", fields: "Content-Length: 1e1\r\n" },
  { name: "an underscore", fields: "Content-Length: 1_0\r\n" },
  { name: "quotes", fields: 'Content-Length: "5"\r\n' },
  { name: "a parameter", fields: "Content-Length: 5;a=b\r\n" },
  { name: "Arabic digits", fields: "Content-Length: \xd9\xa5\r\n" },
  { name: "a no-break space", fields: "Content-Length: 5\xa0\r\n" },
  { name: "2^53", fields: "Content-Length: 9007199254740992\r\n" },
  { name: "2^64 + 5", fields: "Content-Length: 18446744073709551621\r\n" },
  { name: "400 digits", fields: `Content-Length: ${"9".repeat(400)}\r\n` },
];

for (const { name, fields } of BAD_FRAMINGS) {
  Deno.test(`requestFraming() refuses ${name}`, () => {
    const error = assertThrows(() => requestFraming(requestHead(fields)), ProxyError);
    assertEquals(error.code, "request_framing_invalid");
  });
  Deno.test(`responseFraming() refuses ${name}`, () => {
    const error = assertThrows(() => responseFraming("GET", responseHead(fields)), ProxyError);
    assertEquals(error.code, "response_framing_invalid");
  });
}

Deno.test("requestFraming() refuses a transfer coding from HTTP/1.0 (9112 §6.1)", () => {
  const head = requestHead("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0");
  assertEquals(assertThrows(() => requestFraming(head), ProxyError).code, "request_framing_invalid");
});

Deno.test("responseFraming() refuses a transfer coding from HTTP/1.0 (9112 §6.1)", () => {
  const head = responseHead("Transfer-Encoding: chunked\r\n", "HTTP/1.0 200 OK");
  assertEquals(assertThrows(() => responseFraming("GET", head), ProxyError).code, "response_framing_invalid");
});

const REQUESTS: { name: string; fields: string; startLine?: string; expected: Framing }[] = [
  { name: "neither field: no body", fields: "Host: a\r\n", expected: framing(none, -1, true) },
  { name: "neither field, closing", fields: "Connection: close\r\n", expected: framing(none, -1, false) },
  { name: "a length", fields: "Content-Length: 5\r\n", expected: framing(length, 5, true) },
  { name: "length 0", fields: "Content-Length: 0\r\n", expected: framing(length, 0, true) },
  { name: "leading zeros", fields: "Content-Length: 0010\r\n", expected: framing(length, 10, true) },
  {
    name: "2^53 - 1",
    fields: "Content-Length: 9007199254740991\r\n",
    expected: framing(length, Number.MAX_SAFE_INTEGER, true),
  },
  { name: "whitespace around a length", fields: "content-length:\t5 \r\n", expected: framing(length, 5, true) },
  { name: "chunked", fields: "Transfer-Encoding: chunked\r\n", expected: framing(chunked, -1, true) },
  { name: "chunked in any case", fields: "TRANSFER-ENCODING:\tcHuNKed \r\n", expected: framing(chunked, -1, true) },
  {
    name: "chunked, closing",
    fields: "Transfer-Encoding: chunked\r\nConnection: close\r\n",
    expected: framing(chunked, -1, false),
  },
  {
    name: "fields that only look alike",
    fields: "Content_Length: 5\r\nXTransfer-Encoding: chunked\r\nTransfer-Encodin: x\r\n",
    expected: framing(none, -1, true),
  },
  {
    name: "a length from HTTP/1.0",
    fields: "Content-Length: 5\r\n",
    startLine: "POST / HTTP/1.0",
    expected: framing(length, 5, false),
  },
];

for (const { name, fields, startLine, expected } of REQUESTS) {
  Deno.test(`requestFraming() reads ${name}`, () => {
    assertEquals({ ...requestFraming(requestHead(fields, startLine)) }, expected);
  });
}

const RESPONSES: { name: string; method?: string; line?: string; fields: string; expected: Framing }[] = [
  { name: "a length", fields: "Content-Length: 5\r\n", expected: framing(length, 5, true) },
  { name: "chunked", fields: "Transfer-Encoding: chunked\r\n", expected: framing(chunked, -1, true) },
  { name: "neither field: until close (9112 §6.3)", fields: "", expected: framing(until_close, -1, false) },
  {
    name: "neither field from a 1.0 backend that says keep-alive",
    line: "HTTP/1.0 200 OK",
    fields: "Connection: keep-alive\r\n",
    expected: framing(until_close, -1, false),
  },
  {
    name: "a length from HTTP/1.0 with keep-alive",
    line: "HTTP/1.0 200 OK",
    fields: "Connection: Keep-Alive\r\nContent-Length: 5\r\n",
    expected: framing(length, 5, true),
  },
  { name: "HEAD with a length", method: "HEAD", fields: "Content-Length: 5\r\n", expected: framing(none, -1, true) },
  {
    name: "HEAD with chunked",
    method: "HEAD",
    fields: "Transfer-Encoding: chunked\r\n",
    expected: framing(none, -1, true),
  },
  { name: "HEAD with neither field", method: "HEAD", fields: "", expected: framing(none, -1, true) },
  { name: "HEAD, closing", method: "HEAD", fields: "Connection: close\r\n", expected: framing(none, -1, false) },
  {
    name: "method head in lower case, which is not HEAD",
    method: "head",
    fields: "Content-Length: 5\r\n",
    expected: framing(length, 5, true),
  },
  {
    name: "304 with a length",
    line: "HTTP/1.1 304 X",
    fields: "Content-Length: 5\r\n",
    expected: framing(none, -1, true),
  },
  { name: "204", line: "HTTP/1.1 204 X", fields: "", expected: framing(none, -1, true) },
  {
    name: "204 with length 0",
    line: "HTTP/1.1 204 X",
    fields: "Content-Length: 0\r\n",
    expected: framing(none, -1, true),
  },
  {
    name: "204 that announces a length",
    line: "HTTP/1.1 204 X",
    fields: "Content-Length: 5\r\n",
    expected: framing(none, -1, false),
  },
  {
    name: "204 that announces chunks",
    line: "HTTP/1.1 204 X",
    fields: "Transfer-Encoding: chunked\r\n",
    expected: framing(none, -1, false),
  },
  { name: "205, which is not special", line: "HTTP/1.1 205 X", fields: "", expected: framing(until_close, -1, false) },
  { name: "100", line: "HTTP/1.1 100 Continue", fields: "", expected: framing(none, -1, true) },
  { name: "103", line: "HTTP/1.1 103 Early Hints", fields: "Link: </a>\r\n", expected: framing(none, -1, true) },
  {
    name: "101 as the last message",
    line: "HTTP/1.1 101 X",
    fields: "Connection: upgrade\r\nUpgrade: websocket\r\n",
    expected: framing(none, -1, false),
  },
  {
    name: "2xx to CONNECT as the last message",
    method: "CONNECT",
    fields: "Content-Length: 5\r\n",
    expected: framing(none, -1, false),
  },
  {
    name: "an error to CONNECT",
    method: "CONNECT",
    line: "HTTP/1.1 407 X",
    fields: "Content-Length: 5\r\n",
    expected: framing(length, 5, true),
  },
];

for (const { name, method = "GET", line, fields, expected } of RESPONSES) {
  Deno.test(`responseFraming() reads ${name}`, () => {
    assertEquals({ ...responseFraming(method, responseHead(fields, line)) }, expected);
  });
}

const PERSISTENCE: { name: string; line?: string; fields: string; expected: boolean }[] = [
  { name: "HTTP/1.1 by default (9112 §9.3)", fields: "", expected: true },
  { name: "close", fields: "Connection: close\r\n", expected: false },
  { name: "CLOSE among others", fields: "Connection: x ,\tCLOSE , y\r\n", expected: false },
  { name: "close on the second line", fields: "Connection: keep-alive\r\nconnection: close\r\n", expected: false },
  { name: "close behind empty elements", fields: "Connection: ,,close\r\n", expected: false },
  { name: "options that only contain close", fields: "Connection: closed, xclose, close-x\r\n", expected: true },
  { name: "HTTP/1.0 by default", line: "GET / HTTP/1.0", fields: "", expected: false },
  { name: "HTTP/1.0 keep-alive", line: "GET / HTTP/1.0", fields: "Connection: Keep-Alive\r\n", expected: true },
  { name: "HTTP/1.0 both", line: "GET / HTTP/1.0", fields: "Connection: keep-alive, close\r\n", expected: false },
  {
    name: "HTTP/1.0 Proxy-Connection",
    line: "GET / HTTP/1.0",
    fields: "Proxy-Connection: keep-alive\r\n",
    expected: false,
  },
];

for (const { name, line = "GET / HTTP/1.1", fields, expected } of PERSISTENCE) {
  Deno.test(`isPersistent() says ${expected} for ${name}`, () => {
    assertEquals(isPersistent(requestHead(fields, line)), expected);
  });
}
