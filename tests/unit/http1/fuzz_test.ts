/**
 * What must hold for any bytes: events or a `ProxyError`, nothing else; and any split gives the same result.
 *
 * Inputs are valid messages with a few bytes changed, cut, doubled or put in, and runs of a small alphabet that loves
 * delimiters. A failure names its seed; `SLUICE_FUZZ_SEED` and `SLUICE_FUZZ_ROUNDS` run others.
 */

import { assert, assertEquals } from "@std/assert";
import { ProxyError } from "../../../lib/base/errors.ts";
import { BodyDecoder } from "../../../lib/http1/body_decoder.ts";
import { decodeRequestHead } from "../../../lib/http1/decode_request.ts";
import { decodeResponseHead } from "../../../lib/http1/decode_response.ts";
import { FieldMemory } from "../../../lib/http1/field_memory.ts";
import { requestFraming, responseFraming } from "../../../lib/http1/framing.ts";
import { BodyKind } from "../../../lib/http1/body_kind.ts";
import { Head } from "../../../lib/http1/head.ts";

const FIRST_SEED = Number(Deno.env.get("SLUICE_FUZZ_SEED") ?? 1);
const ROUNDS = Number(Deno.env.get("SLUICE_FUZZ_ROUNDS") ?? 3000);
const SPLITS_PER_ROUND = 3;
const BUFFER_BYTES_MAX = 200;
const HEAD_BOUNDS = { bytesMax: 150, fieldsMax: 5, targetBytesMax: 20 };
const BODY_BOUNDS = { chunkHeadBytesMax: 16, trailerBytesMax: 40, trailerFieldsMax: 2 };

const ALPHABET = bytesOf('\r\n\r\n\r\n: \t;="\\,05aFgGET/HTTP1.\0\x0b\x7f\xe9#+-_x');
const SAMPLES = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "\r\nPOST /a?b HTTP/1.0\r\nContent-Length: 5\r\nConnection: keep-alive, x\r\n\r\nhello",
  'PUT * HTTP/1.1\r\nTransfer-Encoding: chunked\r\na:\r\n\r\n5;a="b"\r\nhello\r\n0\r\nx: y\r\n\r\n',
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
  "HTTP/1.0 404 Not Found\r\nContent-Length: 10\r\n\r\n0123456789",
  "HTTP/1.1 204\r\nConnection: close\r\n\r\n",
  "5\r\nhello\r\n1;a\r\nx\r\n0\r\n\r\n",
  "3; a= b\r\nabc\r\n00\r\nx: y\r\nz:\r\n\r\n",
].map(bytesOf);

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** mulberry32. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function makeInput(random: (below: number) => number): Uint8Array {
  const bytes: number[] = [];
  if (random(4) === 0) {
    for (let i = random(80); i > 0; i--) bytes.push(ALPHABET[random(ALPHABET.length)]);
  } else {
    bytes.push(...SAMPLES[random(SAMPLES.length)]);
  }
  for (let changes = random(4); changes > 0 && bytes.length > 0; changes--) {
    const at = random(bytes.length);
    const byte = random(3) === 0 ? random(256) : ALPHABET[random(ALPHABET.length)];
    switch (random(5)) {
      case 0:
        bytes[at] = byte;
        break;
      case 1:
        bytes.splice(at, 0, byte);
        break;
      case 2:
        bytes.splice(at, 1 + random(3));
        break;
      case 3:
        bytes.splice(at, 0, ...bytes.slice(at, at + random(60)));
        break;
      case 4:
        bytes.splice(at, 0, ...new Array(random(200)).fill(byte));
        break;
    }
  }
  return Uint8Array.from(bytes);
}

/** Lengths of the pieces, at least 1 each; null: all at once. */
type Split = (random: (below: number) => number) => number;
const whole: Split = () => Number.MAX_SAFE_INTEGER;
const SPLITS: Split[] = [() => 1, (random) => 1 + random(4), (random) => 1 + random(40)];

function codeOf(error: unknown): string {
  if (!(error instanceof ProxyError)) throw error;
  return error.code;
}

/** Feeds a growing prefix, each time at another place in another buffer. @returns All that a user of the API can see. */
function headOutcome(
  kind: "request" | "response",
  bytes: Uint8Array,
  split: Split,
  random: (n: number) => number,
  memory: FieldMemory | null = null,
): string {
  const decode = kind === "request" ? decodeRequestHead : decodeResponseHead;
  const head = new Head();
  head.memory = memory;
  let length = 0;
  try {
    while (length < bytes.length) {
      length = Math.min(bytes.length, length + split(random));
      const offset = random(3) === 0 ? 0 : random(9);
      const moved = new Uint8Array(offset + length + 2).fill(0x0d);
      moved.set(bytes.subarray(0, length), offset);
      const consumed = decode(head, moved, offset, offset + length, HEAD_BOUNDS);
      if (consumed === 0) continue;
      assert(consumed <= length, "consumed more than there was");
      return describe(kind, head, consumed, offset);
    }
  } catch (error) {
    return codeOf(error);
  }
  return "incomplete";
}

function describe(kind: "request" | "response", head: Head, consumed: number, offset: number): string {
  const parts: unknown[] = [
    consumed,
    head.start - offset,
    head.end - offset,
    head.minorVersion,
    head.method,
    head.status,
  ];
  for (let i = 0; i < head.count; i++) parts.push(head.name(i), head.lowerName(i), head.value(i), head.ids[i]);
  if (kind === "request") parts.push(head.targetStart - offset, head.targetEnd - offset);
  for (let i = 0; i < head.count; i++) {
    assert(!/[\r\n\0]/.test(head.name(i) + head.value(i)), "a field holds a line end");
    assert(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(head.name(i)), "a name is no token");
  }
  try {
    const framing = kind === "request" ? requestFraming(head) : responseFraming("GET", head);
    parts.push(framing.kind, framing.length, framing.keepAlive);
  } catch (error) {
    parts.push(codeOf(error));
  }
  return JSON.stringify(parts);
}

/** On a connection on which what it was made from, or the same, has come before. */
function rememberedOutcome(
  kind: "request" | "response",
  bytes: Uint8Array,
  split: Split,
  random: (n: number) => number,
): string {
  const plain = headOutcome(kind, bytes, split, random);
  for (const before of [SAMPLES[random(SAMPLES.length)], bytes]) {
    const memory = new FieldMemory(BUFFER_BYTES_MAX);
    for (let i = 0; i < 3; i++) headOutcome(kind, before, whole, random, memory);
    assertEquals(headOutcome(kind, bytes, split, random, memory), plain, String.fromCharCode(...before));
  }
  return plain;
}

function bodyOutcome(kind: number, bytes: Uint8Array, split: Split, random: (n: number) => number): string {
  const decoder = new BodyDecoder("response");
  decoder.begin(kind, 7, BODY_BOUNDS);
  let data = "";
  let at = 0;
  try {
    while (at < bytes.length && !decoder.done) {
      const piece = bytes.slice(at, Math.min(bytes.length, at + split(random)));
      const consumed = decoder.decode(piece, 0, piece.length);
      assert(consumed > 0 && consumed <= piece.length, "consumed nothing, or more than there was");
      assert(decoder.dataStart <= decoder.dataEnd && decoder.dataEnd <= consumed, "data that was not consumed");
      data += String.fromCharCode(...piece.subarray(decoder.dataStart, decoder.dataEnd));
      piece.fill(0x0a);
      at += consumed;
    }
    const isDone = decoder.done;
    const trailers: string[] = [];
    const head = decoder.trailers;
    for (let i = 0; head !== null && i < head.count; i++) trailers.push(head.name(i), head.value(i));
    decoder.finish();
    return JSON.stringify([data, at, isDone, trailers]);
  } catch (error) {
    return `${codeOf(error)} after ${JSON.stringify(data)}`;
  }
}

const SUBJECTS: { name: string; run: (bytes: Uint8Array, split: Split, random: (n: number) => number) => string }[] = [
  { name: "decodeRequestHead()", run: (bytes, split, random) => headOutcome("request", bytes, split, random) },
  { name: "decodeResponseHead()", run: (bytes, split, random) => headOutcome("response", bytes, split, random) },
  {
    name: "decodeRequestHead() with a memory",
    run: (bytes, split, random) => rememberedOutcome("request", bytes, split, random),
  },
  {
    name: "decodeResponseHead() with a memory",
    run: (bytes, split, random) => rememberedOutcome("response", bytes, split, random),
  },
  {
    name: "BodyDecoder.decode() chunked",
    run: (bytes, split, random) => bodyOutcome(BodyKind.chunked, bytes, split, random),
  },
  {
    name: "BodyDecoder.decode() length",
    run: (bytes, split, random) => bodyOutcome(BodyKind.length, bytes, split, random),
  },
];

for (const { name, run } of SUBJECTS) {
  Deno.test(`${name} gives the same events or ProxyError for any split (seeds ${FIRST_SEED} to ${FIRST_SEED + ROUNDS - 1})`, () => {
    const seen = new Map<string, number>();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
      const random = randomFrom(seed);
      const bytes = makeInput(random);
      const expected = run(bytes, whole, random);
      for (let i = 0; i < SPLITS_PER_ROUND; i++) {
        assertEquals(
          run(bytes, SPLITS[i % SPLITS.length], random),
          expected,
          `seed ${seed}: ${JSON.stringify(String.fromCharCode(...bytes))}`,
        );
      }
      const outcome = expected.startsWith("[") ? "event" : expected;
      seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    }
    assert((seen.get("event") ?? 0) > ROUNDS / 20, `too few inputs got through: ${JSON.stringify([...seen])}`);
  });
}
