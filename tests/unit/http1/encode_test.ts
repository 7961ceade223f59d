import { assert, assertEquals, assertThrows } from "@std/assert";
import { ByteWriter } from "../../../lib/base/byte_writer.ts";
import { FIELD_NAMES, FieldId, fieldIdOfBytes, fieldIdOfName, fieldKindOfName } from "../../../lib/base/field_names.ts";
import { chunkHead, LAST_CHUNK, requestLine, statusLine } from "../../../lib/http1/encode.ts";

function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function written(write: (writer: ByteWriter) => void, capacity?: number): string {
  const writer = new ByteWriter(capacity);
  write(writer);
  assertEquals(writer.length, writer.view().length);
  return textOf(writer.view());
}

const WRITES: { name: string; write: (writer: ByteWriter) => void; expected: string }[] = [
  { name: "ascii() writes line ends", write: (w) => w.ascii("a: b\r\n"), expected: "a: b\r\n" },
  {
    name: "latin1() writes a byte a character",
    write: (w) => w.latin1("\x01\t\x80\xe9\xff"),
    expected: "\x01\t\x80\xe9\xff",
  },
  { name: "latin1() never ends a line", write: (w) => w.latin1("a\r\nb\0"), expected: "a??b?" },
  {
    name: "latin1() never ends a line with a character whose low byte is CR or LF",
    write: (w) => w.latin1("\u010d\u010a\u560a\u{1f600}"),
    expected: "?????",
  },
  {
    name: "field() writes one line whatever the value",
    write: (w) => w.field("a", "b\r\nc: d"),
    expected: "a: b??c: d\r\n",
  },
  { name: "field() writes an empty value", write: (w) => w.field("a", ""), expected: "a: \r\n" },
  {
    name: "bytes() copies short and long ranges",
    write: (w) => {
      const source = Uint8Array.from({ length: 100 }, (_, i) => 0x30 + (i % 10));
      w.bytes(source, 1, 3);
      w.bytes(source, 10, 90);
      w.bytes(source, 5, 5);
    },
    expected: "12" + "0123456789".repeat(8),
  },
];
for (const value of [0, 9, 10, 255, 256, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
  WRITES.push({ name: `decimal() writes ${value}`, write: (w) => w.decimal(value), expected: value.toString() });
  WRITES.push({ name: `hex() writes ${value}`, write: (w) => w.hex(value), expected: value.toString(16) });
}

for (const { name, write, expected } of WRITES) {
  Deno.test(`ByteWriter.${name}`, () => {
    assertEquals(written(write), expected);
  });
  Deno.test(`ByteWriter.${name} (growing from one byte)`, () => {
    assertEquals(written(write, 1), expected);
  });
}

Deno.test("ByteWriter.reset() begins anew, and lets a huge buffer go", () => {
  const writer = new ByteWriter();
  writer.ascii("x".repeat(1 << 20));
  assertEquals(writer.view().buffer.byteLength >= 1 << 20, true);
  writer.reset();
  assertEquals([writer.length, writer.view().length], [0, 0]);
  assert(writer.view().buffer.byteLength <= 64 * 1024, "the buffer must have been let go");
  writer.ascii("a");
  assertEquals(textOf(writer.view()), "a");
});

Deno.test("ByteWriter.view() is of what was written last, also where the buffer has changed since one of that length", () => {
  const writer = new ByteWriter(8);
  for (const text of ["first", "other", "", "grown beyond eight", "third", "x".repeat(70_000), "fifth"]) {
    writer.reset();
    writer.ascii(text);
    assertEquals(textOf(writer.view()), text);
    assertEquals(textOf(writer.view()), text);
  }
});

const LINES: { name: string; write: (writer: ByteWriter) => void; expected: string }[] = [
  {
    name: "requestLine() writes a request line",
    write: (w) => requestLine(w, "GET", "/a?b"),
    expected: "GET /a?b HTTP/1.1\r\n",
  },
  {
    name: "requestLine() writes bytes from 0x80 as they came",
    write: (w) => requestLine(w, "GET", "/\xe9"),
    expected: "GET /\xe9 HTTP/1.1\r\n",
  },
  {
    name: "requestLine() stays one line",
    write: (w) => requestLine(w, "GET", "/\r\na: b"),
    expected: "GET /??a: b HTTP/1.1\r\n",
  },
  {
    name: "statusLine() knows the usual reason",
    write: (w) => statusLine(w, 503),
    expected: "HTTP/1.1 503 Service Unavailable\r\n",
  },
  {
    name: "statusLine() keeps the space without a reason",
    write: (w) => statusLine(w, 599),
    expected: "HTTP/1.1 599 \r\n",
  },
  {
    name: "statusLine() writes a given reason",
    write: (w) => statusLine(w, 200, "Fine"),
    expected: "HTTP/1.1 200 Fine\r\n",
  },
  {
    name: "statusLine() stays one line",
    write: (w) => statusLine(w, 200, "a\r\nb: c"),
    expected: "HTTP/1.1 200 a??b: c\r\n",
  },
  { name: "chunkHead() writes hexadecimal", write: (w) => chunkHead(w, 65535), expected: "ffff\r\n" },
];

for (const { name, write, expected } of LINES) {
  Deno.test(name, () => {
    assertEquals(written(write), expected);
  });
}

Deno.test("chunkHead() refuses 0, which would end the body", () => {
  assertThrows(() => chunkHead(new ByteWriter(), 0), RangeError);
  assertThrows(() => chunkHead(new ByteWriter(), Number.NaN), RangeError);
  assertEquals(textOf(LAST_CHUNK), "0\r\n\r\n");
});

Deno.test("FieldId values are the positions of their names", () => {
  const entries = Object.entries(FieldId);
  assertEquals(entries.map(([, id]) => id), entries.map((_, i) => i));
  assertEquals(FIELD_NAMES[FieldId.x_forwarded_for], "x-forwarded-for");
  assert(entries.length <= 256, "an id must fit a byte");
});

/** As the decoder asks. */
function idOfBytes(bytes: Uint8Array, start: number, end: number): number {
  const isSeparated = bytes.subarray(start, end).some((byte) => !/[0-9A-Za-z-]/.test(String.fromCharCode(byte)));
  return fieldIdOfBytes(bytes, start, end, isSeparated);
}

Deno.test("fieldIdOfBytes() knows the kinds of names that nobody may forge", () => {
  const idOf = (name: string) => idOfBytes(new TextEncoder().encode(name), 0, name.length);
  for (const name of ["X-Forwarded-User", "x-forwarded-prefix", "x-forwarded-"]) {
    assertEquals(idOf(name), FieldId.x_forwarded_other, name);
  }
  for (
    const name of [
      "Content_Length",
      "transfer_encoding",
      "X_Real-IP",
      "X-Request_Id",
      "x-forwarded_for",
      "X_FORWARDED_A",
      "X.Forwarded~For",
      "x-forwarded-a.b",
      "Transfer!Encoding",
      "proxy_authorization",
      "Keep.Alive",
    ]
  ) {
    assertEquals(idOf(name), FieldId.lookalike, name);
    assertEquals(fieldKindOfName(name.toLowerCase()), FieldId.lookalike, name);
    assertEquals(fieldIdOfName(name.toLowerCase()), 0, name);
  }
  for (const name of ["x_forwarded", "x_custom", "content_type", "User_Agent", "_", "x_"]) {
    assertEquals(idOf(name), FieldId.underscored, name);
    assertEquals(fieldKindOfName(name.toLowerCase()), FieldId.underscored, name);
  }
  for (const name of ["x-forwarded", "x.forwarded", "x~custom", "x", "x-f", "t", "proxy.", "x-forwarde\u0064"]) {
    assertEquals(idOf(name), 0, name);
  }
});

Deno.test("fieldIdOfBytes() knows every name in any case, and none that differs by a byte", () => {
  for (let id = 1; id < FIELD_NAMES.length; id++) {
    const name = FIELD_NAMES[id];
    if (name === "") continue; // of more than one name
    for (const form of [name, name.toUpperCase(), name[0].toUpperCase() + name.slice(1)]) {
      const bytes = new TextEncoder().encode(`<${form}>`);
      assertEquals(idOfBytes(bytes, 1, bytes.length - 1), id, form);
      assertEquals(idOfBytes(bytes, 1, bytes.length), fieldKindOfName(`${name}>`));
      assertEquals(idOfBytes(bytes, 2, bytes.length - 1), fieldKindOfName(name.slice(1)));
      for (let at = 1; at < bytes.length - 1; at++) {
        const byte = bytes[at];
        for (const other of [byte & ~0x20, byte | 0x20, byte ^ 0x80, byte ^ 0x01, 0]) {
          bytes[at] = other;
          const text = textOf(bytes.subarray(1, -1)).toLowerCase();
          assertEquals(idOfBytes(bytes, 1, bytes.length - 1), fieldKindOfName(text), text);
        }
        bytes[at] = byte;
      }
    }
    assertEquals(fieldIdOfName(name), id);
  }
  assertEquals([idOfBytes(new Uint8Array(3), 1, 1), fieldIdOfName("x-unheard-of"), fieldIdOfName("Host")], [
    0,
    0,
    0,
  ]);
});

Deno.test("ByteWriter writes numbers of every size as Number.toString() does", () => {
  const out = new ByteWriter(8);
  const values = [0, 9, 10, 35, 36, 99, 100, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 2 ** 53 - 1];
  for (let power = 1; power < 2 ** 50; power *= 7) values.push(power - 1, power, power + 1);
  for (const value of values) {
    for (const radix of [10, 16, 36] as const) {
      out.reset();
      if (radix === 10) out.decimal(value);
      else if (radix === 16) out.hex(value);
      else out.base36(value);
      assertEquals(new TextDecoder().decode(out.view()), value.toString(radix));
    }
  }
});
