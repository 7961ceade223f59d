/** Bodies, each fed whole, byte by byte, and with bytes behind it that must survive. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProxyError } from "../../../lib/base/errors.ts";
import { type BodyBounds, BodyDecoder } from "../../../lib/http1/body_decoder.ts";
import { BodyKind } from "../../../lib/http1/body_kind.ts";

const BOUNDS: BodyBounds = { chunkHeadBytesMax: 32, trailerBytesMax: 64, trailerFieldsMax: 3 };
const FEEDS = ["whole", "byte by byte", "with trailing bytes"] as const;
type Feed = typeof FEEDS[number];

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

interface Result {
  data: string;
  trailers: string[];
  done: boolean;
  /** Bytes consumed of all that was fed. */
  consumed: number;
}

/** Feeds pieces, each a buffer of its own that is spoiled afterwards: nothing may be kept of them. */
function decodeAll(decoder: BodyDecoder, wire: string, how: Feed): Result {
  const bytes = bytesOf(how === "with trailing bytes" ? wire + "5\r\nHTTP/1.1" : wire);
  const step = how === "byte by byte" ? 1 : bytes.length;
  let data = "";
  let consumed = 0;
  for (let from = 0; from < bytes.length && !decoder.done; from += step) {
    const piece = bytes.slice(from, from + step);
    let at = 0;
    while (at < piece.length && !decoder.done) {
      const count = decoder.decode(piece, at, piece.length);
      assert(count > 0, "decode() must consume something");
      assert(decoder.dataStart >= at && decoder.dataEnd <= at + count, "data must be among what was consumed");
      data += String.fromCharCode(...piece.subarray(decoder.dataStart, decoder.dataEnd));
      at += count;
    }
    consumed += at;
    piece.fill(0);
  }
  const trailers: string[] = [];
  const head = decoder.trailers;
  for (let i = 0; head !== null && i < head.count; i++) trailers.push(`${head.name(i)}=${head.value(i)}`);
  return { data, trailers, done: decoder.done, consumed };
}

const CHUNKED: { name: string; wire: string; data: string; trailers?: string[] }[] = [
  { name: "nothing", wire: "0\r\n\r\n", data: "" },
  { name: "one chunk", wire: "5\r\nhello\r\n0\r\n\r\n", data: "hello" },
  { name: "many chunks", wire: "1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", data: "abcdef" },
  { name: "data that looks like framing", wire: "a\r\n\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\n", data: "\r\n0\r\n\r\n0\r\n" },
  {
    name: "digits in both cases",
    wire: "1A\r\n" + "x".repeat(26) + "\r\n1a\r\n" + "y".repeat(26) + "\r\n0\r\n\r\n",
    data: "x".repeat(26) + "y".repeat(26),
  },
  { name: "leading zeros, 15 digits in all", wire: "000000000000005\r\nhello\r\n000\r\n\r\n", data: "hello" },
  { name: "an extension (9112 §7.1.1)", wire: "5;a\r\nhello\r\n0;b=c\r\n\r\n", data: "hello" },
  { name: "several extensions", wire: "5;a=b;c;d=e\r\nhello\r\n0\r\n\r\n", data: "hello" },
  { name: "a quoted extension", wire: '5;a="b;=\\"\t c"\r\nhello\r\n0\r\n\r\n', data: "hello" },
  { name: "an empty quoted extension", wire: '5;a="";b\r\nhello\r\n0\r\n\r\n', data: "hello" },
  {
    name: "whitespace behind a semicolon and an equals sign",
    wire: "5; a= b;\tc\r\nhello\r\n0\r\n\r\n",
    data: "hello",
  },
  { name: "a trailer", wire: "5\r\nhello\r\n0\r\nX-Sum: 1 \r\n\r\n", data: "hello", trailers: ["X-Sum=1"] },
  {
    name: "trailers up to the bound",
    wire: "0\r\na: b\r\nc:\r\nd: e\r\n\r\n",
    data: "",
    trailers: ["a=b", "c=", "d=e"],
  },
  {
    name: "trailers of as many bytes as the bound",
    wire: `0\r\na: ${"b".repeat(BOUNDS.trailerBytesMax - 7)}\r\n\r\n`,
    data: "",
    trailers: [`a=${"b".repeat(BOUNDS.trailerBytesMax - 7)}`],
  },
  { name: "a size line of as many bytes as the bound", wire: `0;${"a".repeat(28)}\r\n\r\n`, data: "" },
];

for (const { name, wire, data, trailers = [] } of CHUNKED) {
  for (const how of FEEDS) {
    Deno.test(`BodyDecoder.decode() takes chunked: ${name} (${how})`, () => {
      const decoder = new BodyDecoder("response");
      decoder.begin(BodyKind.chunked, -1, BOUNDS);
      assertEquals(decodeAll(decoder, wire, how), { data, trailers, done: true, consumed: wire.length });
      decoder.finish();
    });
  }
}

const BAD_CHUNKED: { name: string; wire: string }[] = [
  { name: "no size", wire: "\r\nhello" },
  { name: "a size of extension only", wire: ";a\r\nhello" },
  { name: "a size that is no number", wire: "g\r\nhello" },
  { name: "a plus sign", wire: "+5\r\nhello" },
  { name: "a minus sign", wire: "-5\r\nhello" },
  { name: "minus zero", wire: "-0\r\n\r\n" },
  { name: "a prefix", wire: "0x5\r\nhello" },
  { name: "an underscore", wire: "1_0\r\nhello" },
  { name: "a high byte", wire: "\xb5\r\nhello" },
  { name: "the control character that is 0x20 below a digit", wire: "\x15\r\nhello" },
  { name: "a space before the size", wire: " 5\r\nhello" },
  { name: "a tab before the size", wire: "\t5\r\nhello" },
  { name: "a space behind the size", wire: "5 \r\nhello" },
  { name: "a space before an extension", wire: "5 ;a\r\nhello" },
  { name: "a tab behind the size", wire: "5\t\r\nhello" },
  { name: "a vertical tab behind the size", wire: "5\x0b\r\nhello" },
  { name: "NUL behind the size", wire: "5\0\r\nhello" },
  { name: "two sizes", wire: "5 5\r\nhello" },
  { name: "a fraction", wire: "5.0\r\nhello" },
  { name: "16 digits", wire: "0000000000000005\r\nhello" },
  { name: "2^53", wire: "20000000000000\r\nhello" },
  { name: "2^64", wire: "10000000000000000\r\nhello" },
  { name: "15 digits over 2^53", wire: "fffffffffffffff\r\nhello" },
  { name: "bare LF behind the size (9112 §2.2)", wire: "5\nhello\r\n0\r\n\r\n" },
  { name: "bare CR behind the size", wire: "5\rhello\r\n0\r\n\r\n" },
  { name: "CR CR LF behind the size", wire: "5\r\r\nhello\r\n0\r\n\r\n" },
  { name: "an extension without a name", wire: "5;\r\nhello" },
  { name: "an extension without a value", wire: "5;a=\r\nhello" },
  { name: "a space at the end of an extension", wire: "5;a \r\nhello" },
  { name: "a bare LF in an extension", wire: "5;a\nhello\r\n0\r\n\r\n" },
  { name: "a bare CR in an extension", wire: "5;a\rb\r\nhello" },
  { name: "NUL in an extension", wire: "5;a\0\r\nhello" },
  { name: "a quoted string that is open at the CRLF", wire: '5;a="b\r\nhello"\r\n0\r\n\r\n' },
  { name: "a bare LF in a quoted string", wire: '5;a="b\nc"\r\nhello' },
  { name: "an escaped CR in a quoted string", wire: '5;a="b\\\r\nc"\r\nhello' },
  { name: "text behind a quoted string", wire: '5;a="b"c\r\nhello' },
  { name: "a quoted string as a name", wire: '5;"a"\r\nhello' },
  { name: "a size line over the bound", wire: `0;${"a".repeat(29)}\r\n\r\n` },
  { name: "an endless extension", wire: "5;" + "a".repeat(1000) },
  { name: "endless zeros", wire: "0".repeat(1000) },
  { name: "data longer than its size", wire: "5\r\nhello!\r\n0\r\n\r\n" },
  { name: "data shorter than its size", wire: "5\r\nhell\r\n0\r\n\r\n" },
  { name: "bare LF behind the data", wire: "5\r\nhello\n0\r\n\r\n" },
  { name: "bare CR behind the data", wire: "5\r\nhello\r0\r\n\r\n" },
  { name: "nothing behind the data", wire: "5\r\nhello0\r\n\r\n" },
  { name: "an empty line behind the data", wire: "5\r\nhello\r\n\r\n0\r\n\r\n" },
  { name: "bare LF at the end", wire: "0\r\n\n" },
  { name: "bare CR at the end", wire: "0\r\n\rX" },
  { name: "a trailer with a bare LF", wire: "0\r\na: b\n\r\n" },
  { name: "trailers that end with a bare LF", wire: "0\r\na: b\r\n\n" },
  { name: "a trailer with a space before the colon", wire: "0\r\na : b\r\n\r\n" },
  { name: "a folded trailer", wire: "0\r\na: b\r\n c\r\n\r\n" },
  { name: "a trailer without a name", wire: "0\r\n: b\r\n\r\n" },
  { name: "a trailer with whitespace before it", wire: "0\r\n a: b\r\n\r\n" },
  { name: "a trailer with NUL", wire: "0\r\na: \0\r\n\r\n" },
  { name: "a request in place of trailers", wire: "0\r\nGET / HTTP/1.1\r\n\r\n" },
  { name: "Content-Length as a trailer (9110 §6.5.1)", wire: "0\r\ncontent-length: 5\r\n\r\n" },
  { name: "Transfer-Encoding as a trailer", wire: "0\r\na: b\r\nTransfer-Encoding: chunked\r\n\r\n" },
  { name: "Host as a trailer", wire: "0\r\nHOST: a\r\n\r\n" },
  { name: "more trailers than the bound", wire: "0\r\na: b\r\nc: d\r\ne: f\r\ng: h\r\n\r\n" },
  { name: "trailers over the bound in bytes", wire: `0\r\na: ${"b".repeat(BOUNDS.trailerBytesMax - 6)}\r\n\r\n` },
  { name: "an endless trailer", wire: "0\r\na: " + "b".repeat(1000) },
];

for (const { name, wire } of BAD_CHUNKED) {
  for (const how of FEEDS) {
    for (
      const [message, code] of [["request", "request_body_broken"], ["response", "response_framing_invalid"]] as const
    ) {
      Deno.test(`BodyDecoder.decode() refuses chunked: ${name} (${message}, ${how})`, () => {
        const decoder = new BodyDecoder(message);
        decoder.begin(BodyKind.chunked, -1, BOUNDS);
        assertEquals(assertThrows(() => decodeAll(decoder, wire, how), ProxyError).code, code);
        assertEquals([decoder.done, decoder.trailers], [false, null]);
      });
    }
  }
}

for (const how of FEEDS) {
  Deno.test(`BodyDecoder.decode() takes exactly the length (${how})`, () => {
    const decoder = new BodyDecoder("request");
    decoder.begin(BodyKind.length, 5, BOUNDS);
    assertEquals(decodeAll(decoder, "hello", how), { data: "hello", trailers: [], done: true, consumed: 5 });
  });

  Deno.test(`BodyDecoder.decode() takes everything until the close (${how})`, () => {
    const decoder = new BodyDecoder("response");
    decoder.begin(BodyKind.until_close, -1, BOUNDS);
    const result = decodeAll(decoder, "0\r\n\r\n", how);
    const data = how === "with trailing bytes" ? "0\r\n\r\n5\r\nHTTP/1.1" : "0\r\n\r\n";
    assertEquals(result, { data, trailers: [], done: false, consumed: data.length });
    decoder.finish();
    assertEquals(decoder.done, true);
  });
}

for (const [name, kind, bodyLength] of [["none", BodyKind.none, -1], ["length 0", BodyKind.length, 0]] as const) {
  Deno.test(`BodyDecoder.begin() is done at once with ${name}, and consumes nothing`, () => {
    const decoder = new BodyDecoder("request");
    decoder.begin(kind, bodyLength, BOUNDS);
    assertEquals(decoder.done, true);
    assertEquals(decoder.decode(bytesOf("GET"), 0, 3), 0);
    assertEquals(decoder.dataStart, decoder.dataEnd);
    decoder.finish();
  });
}

for (const [message, code] of [["request", "request_body_broken"], ["response", "response_incomplete"]] as const) {
  const wire = "5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n";
  for (let cut = 0; cut < wire.length; cut++) {
    Deno.test(`BodyDecoder.finish() refuses a chunked ${message} cut at byte ${cut}`, () => {
      const decoder = new BodyDecoder(message);
      decoder.begin(BodyKind.chunked, -1, BOUNDS);
      assertEquals(decodeAll(decoder, wire.slice(0, cut), "whole").done, false);
      assertEquals(assertThrows(() => decoder.finish(), ProxyError).code, code);
      assertEquals(decoder.done, false);
    });
  }

  Deno.test(`BodyDecoder.finish() refuses a ${message} with a byte missing`, () => {
    const decoder = new BodyDecoder(message);
    decoder.begin(BodyKind.length, 5, BOUNDS);
    decodeAll(decoder, "hell", "whole");
    assertEquals(assertThrows(() => decoder.finish(), ProxyError).code, code);
  });
}

Deno.test("BodyDecoder.begin() forgets the body before, broken or with trailers", () => {
  const decoder = new BodyDecoder("response");
  decoder.begin(BodyKind.chunked, -1, BOUNDS);
  assertEquals(decodeAll(decoder, "0\r\na: b\r\n\r\n", "whole").trailers, ["a=b"]);
  decoder.begin(BodyKind.chunked, -1, BOUNDS);
  assertThrows(() => decodeAll(decoder, "ffff;\0", "whole"), ProxyError);
  decoder.begin(BodyKind.chunked, -1, BOUNDS);
  assertEquals(decodeAll(decoder, "1\r\nx\r\n0\r\n\r\n", "byte by byte").data, "x");
  assertEquals(decoder.trailers, null);
  decoder.begin(BodyKind.chunked, -1, BOUNDS);
  assertEquals(decodeAll(decoder, "0\r\nc: d\r\n\r\n", "byte by byte").trailers, ["c=d"]);
});

Deno.test("BodyDecoder.decode() counts a chunk larger than 2^32", () => {
  const decoder = new BodyDecoder("response");
  decoder.begin(BodyKind.chunked, -1, BOUNDS);
  const head = bytesOf("100000001\r\n");
  assertEquals(decoder.decode(head, 0, head.length), head.length);
  const data = new Uint8Array(1 << 20);
  for (let i = 0; i < 4096; i++) {
    assertEquals(decoder.decode(data, 0, data.length), data.length);
    assertEquals(decoder.dataEnd, data.length);
  }
  assertEquals(decodeAll(decoder, "x\r\n0\r\n\r\n", "whole"), { data: "x", trailers: [], done: true, consumed: 8 });
});

Deno.test("BodyDecoder.decode() takes a chunk size of 2^53 - 1", () => {
  const decoder = new BodyDecoder("response");
  decoder.begin(BodyKind.chunked, -1, BOUNDS);
  const bytes = bytesOf("1FFFFFFFFFFFFF\r\nhello");
  assertEquals(decoder.decode(bytes, 0, bytes.length), bytes.length);
  assertEquals([decoder.dataStart, decoder.dataEnd, decoder.done], [16, 21, false]);
});
