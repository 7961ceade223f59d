import { assertEquals, assertThrows } from "@std/assert";
import { encodeClose, encodeFrame } from "../../../lib/websocket/frame_encoder.ts";
import { FrameDecoder, FrameError, type FrameEvent, Opcode, validCloseCode } from "../../../lib/websocket/frames.ts";

const MAX = 70_000;
const utf8 = (text: string) => new TextEncoder().encode(text);
const repeat = (length: number, byte = 0x61) => new Uint8Array(length).fill(byte);
const text = (content: string, isFinal = true) => encodeFrame(Opcode.text, utf8(content), null, isFinal);
const more = (bytes: Uint8Array, isFinal = true) => encodeFrame(Opcode.continuation, bytes, null, isFinal);
const ping = (content: string) => encodeFrame(Opcode.ping, utf8(content), null);
const closing = (...bytes: number[]) => encodeFrame(Opcode.close, Uint8Array.from(bytes), null);
const raw = (...bytes: number[]) => Uint8Array.from(bytes);

function concat(...parts: Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

interface Outcome {
  events: FrameEvent[];
  error: number;
}

/** Pushes the pieces until one fails; `error` is the close code, 0 for none. */
function decode(pieces: Iterable<Uint8Array>, messageBytesMax = MAX): Outcome {
  const decoder = new FrameDecoder({ messageBytesMax });
  const events: FrameEvent[] = [];
  try {
    for (const piece of pieces) events.push(...decoder.push(piece));
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    events.push(...error.events);
    return { events, error: error.closeCode };
  }
  return { events, error: 0 };
}

function* bytewise(wire: Uint8Array): Generator<Uint8Array> {
  const window = new Uint8Array(1); // reused, as a read buffer is: nothing may be retained
  for (const byte of wire) {
    window[0] = byte;
    yield window;
  }
}

interface FrameCase {
  name: string;
  wire: Uint8Array;
  events: FrameEvent[];
  error?: number;
}

const CASES: FrameCase[] = [
  { name: "reads RFC 6455's text example", wire: raw(0x81, 5, 0x48, 0x65, 0x6c, 0x6c, 0x6f), events: [said("Hello")] },
  { name: "reads an empty text", wire: text(""), events: [said("")] },
  { name: "reads an empty binary", wire: encodeFrame(2, raw(), null), events: [bytes(raw())] },
  { name: "reads a 125-byte binary", wire: encodeFrame(2, repeat(125), null), events: [bytes(repeat(125))] },
  { name: "reads a 126-byte binary", wire: encodeFrame(2, repeat(126), null), events: [bytes(repeat(126))] },
  { name: "reads a 65535-byte binary", wire: encodeFrame(2, repeat(65535), null), events: [bytes(repeat(65535))] },
  { name: "reads a 65536-byte binary", wire: encodeFrame(2, repeat(65536), null), events: [bytes(repeat(65536))] },
  { name: "joins fragments of text", wire: concat(text("Hel", false), more(utf8("lo"))), events: [said("Hello")] },
  {
    name: "joins a character split over fragments",
    wire: concat(encodeFrame(1, raw(0xe2, 0x82), null, false), more(raw(), false), more(raw(0xac))),
    events: [said("\u20ac")],
  },
  { name: "keeps a byte order mark", wire: text("\ufeffa"), events: [said("\ufeffa")] },
  { name: "keeps a zero byte and a noncharacter", wire: text("\0\uffff"), events: [said("\0\uffff")] },
  {
    name: "joins fragments of binary of growing size",
    wire: concat(encodeFrame(2, repeat(10, 1), null, false), more(repeat(2000, 2), false), more(repeat(3, 3))),
    events: [bytes(concat(repeat(10, 1), repeat(2000, 2), repeat(3, 3)))],
  },
  {
    name: "reads control frames between fragments, in order",
    wire: concat(
      text("a", false),
      ping("p"),
      more(utf8("b"), false),
      encodeFrame(10, utf8("q"), null),
      more(utf8("c")),
    ),
    events: [{ kind: "ping", bytes: utf8("p") }, { kind: "pong", bytes: utf8("q") }, said("abc")],
  },
  {
    name: "reads a ping of 125 bytes",
    wire: ping("x".repeat(125)),
    events: [{ kind: "ping", bytes: repeat(125, 0x78) }],
  },
  { name: "reads two messages", wire: concat(text("a"), text("b")), events: [said("a"), said("b")] },
  { name: "reads a close without a code", wire: closing(), events: [{ kind: "close", code: 1005, reason: "" }] },
  {
    name: "reads a close with a reason inside a message",
    wire: concat(text("a", false), closing(0x03, 0xe8, 0xc3, 0xa9)),
    events: [{ kind: "close", code: 1000, reason: "\u00e9" }],
  },
  { name: "waits for the rest of a head", wire: raw(0x82, 126, 1), events: [] },
  { name: "waits for the rest of a payload", wire: raw(0x82, 3, 1), events: [] },

  { name: "refuses a masked frame", wire: encodeFrame(1, utf8("a"), raw(1, 2, 3, 4)), events: [], error: 1002 },
  { name: "refuses RSV1", wire: raw(0xc1, 0), events: [], error: 1002 },
  { name: "refuses RSV2", wire: raw(0xa1, 0), events: [], error: 1002 },
  { name: "refuses RSV3 on a control frame", wire: raw(0x99, 0), events: [], error: 1002 },
  { name: "refuses opcode 3", wire: raw(0x83, 0), events: [], error: 1002 },
  { name: "refuses opcode 7", wire: raw(0x87, 0), events: [], error: 1002 },
  { name: "refuses opcode 11", wire: raw(0x8b, 0), events: [], error: 1002 },
  { name: "refuses opcode 15", wire: raw(0x8f, 0), events: [], error: 1002 },
  { name: "refuses a fragmented ping", wire: raw(0x09, 0), events: [], error: 1002 },
  { name: "refuses a ping of 126 bytes", wire: raw(0x89, 126, 0, 126), events: [], error: 1002 },
  { name: "refuses a lone continuation", wire: raw(0x80, 0), events: [], error: 1002 },
  {
    name: "refuses a continuation after the end",
    wire: concat(text("a"), more(raw())),
    events: [said("a")],
    error: 1002,
  },
  { name: "refuses a text inside a message", wire: concat(text("a", false), text("b")), events: [], error: 1002 },
  { name: "refuses 125 spelled in 16 bits", wire: raw(0x82, 126, 0, 125), events: [], error: 1002 },
  {
    name: "refuses 65535 spelled in 64 bits",
    wire: raw(0x82, 127, 0, 0, 0, 0, 0, 0, 255, 255),
    events: [],
    error: 1002,
  },
  {
    name: "refuses a length with its highest bit",
    wire: raw(0x82, 127, 128, 0, 0, 0, 0, 1, 0, 0),
    events: [],
    error: 1002,
  },
  { name: "refuses a length of 2^62", wire: raw(0x82, 127, 64, 0, 0, 0, 0, 0, 0, 0), events: [], error: 1009 },
  { name: "refuses a frame over the bound", wire: encodeFrame(2, repeat(MAX + 1), null), events: [], error: 1009 },
  {
    name: "refuses fragments over the bound",
    wire: concat(encodeFrame(2, repeat(40_000), null, false), more(repeat(40_000))),
    events: [],
    error: 1009,
  },
  { name: "refuses broken UTF-8", wire: encodeFrame(1, raw(0x61, 0xff), null), events: [], error: 1007 },
  { name: "refuses half a character", wire: encodeFrame(1, raw(0xe2, 0x82), null), events: [], error: 1007 },
  { name: "refuses an overlong form", wire: encodeFrame(1, raw(0xc0, 0x80), null), events: [], error: 1007 },
  { name: "refuses an encoded surrogate", wire: encodeFrame(1, raw(0xed, 0xa0, 0x80), null), events: [], error: 1007 },
  {
    name: "refuses broken UTF-8 in a first fragment",
    wire: encodeFrame(1, raw(0xff), null, false),
    events: [],
    error: 1007,
  },
  { name: "refuses half a close code", wire: closing(3), events: [], error: 1002 },
  { name: "refuses close code 1005", wire: closing(0x03, 0xed), events: [], error: 1002 },
  { name: "refuses close code 0", wire: closing(0, 0), events: [], error: 1002 },
  { name: "refuses a close reason that is not UTF-8", wire: closing(0x03, 0xe8, 0xff), events: [], error: 1007 },
  { name: "keeps what came before an error", wire: concat(text("a"), raw(0x83, 0)), events: [said("a")], error: 1002 },
];

function said(content: string): FrameEvent {
  return { kind: "text", text: content };
}

function bytes(content: Uint8Array): FrameEvent {
  return { kind: "binary", bytes: content };
}

for (const { name, wire, events, error = 0 } of CASES) {
  Deno.test(`FrameDecoder.push() ${name} (whole)`, () => assertEquals(decode([wire]), { events, error }));
  Deno.test(`FrameDecoder.push() ${name} (byte by byte)`, () => {
    assertEquals(decode(bytewise(wire)), { events, error });
  });
  if (name.startsWith("waits") || error !== 0) continue; // what trails would be part of it, or never read
  Deno.test(`FrameDecoder.push() ${name} (with trailing bytes)`, () => {
    const isClosed = events.at(-1)?.kind === "close";
    const trailing = isClosed ? raw(0xff, 0xff) : concat(ping("t"), raw(0x81));
    const expected = isClosed ? events : [...events, { kind: "ping", bytes: utf8("t") }];
    assertEquals(decode([concat(wire, trailing)]), { events: expected, error: 0 });
  });
}

Deno.test("FrameDecoder.push() takes a message of exactly the bound", () => {
  assertEquals(decode([text("abcd")], 4), { events: [said("abcd")], error: 0 });
  assertEquals(decode([concat(text("abc", false), more(utf8("d")))], 4), { events: [said("abcd")], error: 0 });
  assertEquals(decode([concat(text("abcd"), text("efgh"))], 4).events.length, 2);
});

Deno.test("FrameDecoder.push() refuses broken UTF-8 before the frame is complete", () => {
  assertEquals(decode([raw(0x81, 126, 0x10, 0, 0x61, 0xff)]), { events: [], error: 1007 });
});

Deno.test("FrameDecoder.push() goes on failing after a failure", () => {
  const decoder = new FrameDecoder({ messageBytesMax: MAX });
  assertEquals(assertThrows(() => decoder.push(concat(text("a"), raw(0x83))), FrameError).events, [said("a")]);
  assertEquals(assertThrows(() => decoder.push(text("b")), FrameError).events, []);
});

Deno.test("FrameDecoder.isClosed turns with the close frame", () => {
  const decoder = new FrameDecoder({ messageBytesMax: MAX });
  decoder.push(text("a"));
  assertEquals(decoder.isClosed, false);
  decoder.push(closing());
  assertEquals(decoder.isClosed, true);
  assertEquals(decoder.push(text("b")).length, 0);
});

Deno.test("FrameDecoder.push() hands out bytes of its own", () => {
  const wire = concat(encodeFrame(2, raw(1, 2), null), ping("p"));
  const decoder = new FrameDecoder({ messageBytesMax: MAX });
  const events = decoder.push(wire);
  wire.fill(0);
  decoder.push(ping("q"));
  assertEquals(events, [bytes(raw(1, 2)), { kind: "ping", bytes: utf8("p") }]);
});

Deno.test("validCloseCode() holds to RFC 6455 and the registry", () => {
  const allowed = [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999];
  const refused = [-1, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535];
  assertEquals(allowed.filter((code) => !validCloseCode(code)), []);
  assertEquals(refused.filter(validCloseCode), []);
});

Deno.test("encodeFrame() makes RFC 6455's masked example", () => {
  assertEquals(
    encodeFrame(Opcode.text, utf8("Hello"), raw(0x37, 0xfa, 0x21, 0x3d)),
    raw(0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58),
  );
});

for (
  const [length, head] of [
    [0, [0x82, 0]],
    [125, [0x82, 125]],
    [126, [0x82, 126, 0, 126]],
    [65535, [0x82, 126, 255, 255]],
    [65536, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
  ] as Array<[number, number[]]>
) {
  Deno.test(`encodeFrame() spells a length of ${length} shortest`, () => {
    const frame = encodeFrame(Opcode.binary, repeat(length), null);
    assertEquals([...frame.subarray(0, head.length)], head);
    assertEquals(frame.length, head.length + length);
  });
}

Deno.test("encodeFrame() leaves the payload alone and unmasks to it", () => {
  const payload = Uint8Array.from({ length: 300 }, (_, index) => index & 255);
  const key = raw(9, 8, 7, 6);
  const frame = encodeFrame(Opcode.binary, payload, key);
  assertEquals(payload[299], 299 & 255);
  assertEquals(frame.subarray(4, 8), key);
  assertEquals(frame.subarray(8).map((byte, index) => byte ^ key[index & 3]), payload);
});

Deno.test("encodeFrame() refuses control frames that break the rules", () => {
  assertThrows(() => encodeFrame(Opcode.ping, repeat(126), null), RangeError);
  assertThrows(() => encodeFrame(Opcode.close, raw(), null, false), RangeError);
});

Deno.test("encodeClose() cuts a reason at a character and refuses reserved codes", () => {
  const payload = encodeClose(1001, "\u20ac".repeat(50));
  assertEquals(payload.length, 2 + 123);
  assertEquals(decode([encodeFrame(Opcode.close, payload, null)]).events, [
    { kind: "close", code: 1001, reason: "\u20ac".repeat(41) },
  ]);
  assertEquals(encodeClose(1005, "x").length, 0);
  for (const code of [1004, 1006, 1015, 0]) assertThrows(() => encodeClose(code, ""), RangeError);
});

/** mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function* split(wire: Uint8Array, random: () => number): Generator<Uint8Array> {
  for (let at = 0; at < wire.length;) {
    const end = Math.min(wire.length, at + 1 + Math.floor(random() * random() * 60));
    yield wire.slice(at, end);
    at = end;
  }
}

/** A valid conversation and what it says. */
function conversation(random: () => number): { wire: Uint8Array; events: FrameEvent[] } {
  const parts: Uint8Array[] = [];
  const events: FrameEvent[] = [];
  for (let message = 0; message < 6; message++) {
    const content = Array.from({ length: random() * 80 }, () => "a\u00e9\u20ac\u{1f600}\0"[Math.floor(random() * 6)])
      .join("")
      .replace(/[\ud800-\udfff]/g, "\u{1f600}");
    const isText = random() < 0.5;
    const payload = utf8(content);
    const cuts = [0, Math.floor(random() * payload.length), payload.length];
    for (let index = 0; index < 2; index++) {
      const opcode = index === 1 ? Opcode.continuation : isText ? Opcode.text : Opcode.binary;
      parts.push(encodeFrame(opcode, payload.subarray(cuts[index], cuts[index + 1]), null, index === 1));
      if (index === 0 && random() < 0.5) {
        parts.push(ping(`${message}`));
        events.push({ kind: "ping", bytes: utf8(`${message}`) });
      }
    }
    events.push(isText ? said(content) : bytes(payload));
  }
  return { wire: concat(...parts), events };
}

for (let seed = 1; seed <= 40; seed++) {
  Deno.test(`FrameDecoder.push() gives the same events for any split (seed ${seed})`, () => {
    const random = seeded(seed);
    const { wire, events } = conversation(random);
    assertEquals(decode([wire]), { events, error: 0 });
    assertEquals(decode(split(wire, random)), { events, error: 0 });
    for (let round = 0; round < 25; round++) { // damaged: events or a FrameError, the same for any split
      const damaged = wire.slice();
      for (let hit = 0; hit < 3; hit++) damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256);
      const whole = decode([damaged], 200);
      assertEquals(decode(split(damaged, random), 200), whole);
      assertEquals(decode(bytewise(damaged), 200), whole);
    }
  });
}
