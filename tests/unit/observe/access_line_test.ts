import { assertEquals } from "@std/assert";
import { createRandom } from "../../../lib/base/random.ts";
import { ByteWriter } from "../../../lib/base/byte_writer.ts";
import {
  type AccessEntry,
  type FieldPartMemory,
  type LineFormat,
  writeCombinedLine,
  writeJsonLine,
} from "../../../lib/observe/access_line.ts";
import { FieldText } from "../../../lib/observe/access_text.ts";
import { REQUEST_ID_LENGTH_MAX, RequestIds, saneRequestId } from "../../../lib/observe/request_id.ts";

type Fields = Omit<AccessEntry, "userAgent" | "referer" | "memory"> & {
  readonly userAgent: string;
  readonly referer: string;
  readonly requestId: string;
};

const ENTRY: Fields = {
  timeMs: Date.UTC(2000, 9, 5, 13, 55, 36, 7),
  client: "203.0.113.9",
  method: "GET",
  host: "api.example.com",
  target: "/v1/a?b=1",
  protocol: "HTTP/1.1",
  scheme: "https",
  status: 200,
  bytesIn: 3,
  bytesOut: 66,
  durationMs: 1.23456,
  route: "api",
  upstream: "api",
  backend: "b2",
  attempts: 1,
  error: "",
  requestId: "k3-1",
  userAgent: "curl/8.0",
  referer: "",
};

/** Where the fields of a message are: strings, or bytes in the middle of others, as far as they are bytes. */
function fieldText(text: string, asBytes: boolean): FieldText {
  const field = new FieldText();
  const isBytes = asBytes && [...text].every((character) => character.charCodeAt(0) <= 0xff && character.length === 1);
  if (isBytes) {
    const bytes = Uint8Array.from(`"${text}"\n`, (character) => character.charCodeAt(0));
    field.setBytes(bytes, 1, 1 + text.length);
  } else field.setText(text);
  return field;
}

function lineOf(
  format: LineFormat,
  fields: Fields,
  { asBytes = false, memory = null as FieldPartMemory | null } = {},
): string {
  const out = new ByteWriter(16);
  const { userAgent, referer, requestId, ...rest } = fields;
  const entry = { ...rest, userAgent: fieldText(userAgent, asBytes), referer: fieldText(referer, asBytes), memory };
  format(out, entry, { writeRequestId: (to) => to.latin1(requestId) });
  const line = new TextDecoder("utf-8", { fatal: true }).decode(out.view());
  assertEquals([line.indexOf("\n"), line.at(-1)], [line.length - 1, "\n"]);
  return line.slice(0, -1);
}

const jsonLine = (fields: Fields) => lineOf(writeJsonLine, fields);
const combinedLine = (fields: Fields) => lineOf(writeCombinedLine, fields);

Deno.test("jsonLine() writes every field, in order", () => {
  assertEquals(
    jsonLine(ENTRY),
    '{"time":"2000-10-05T13:55:36.007Z","client":"203.0.113.9","method":"GET","scheme":"https",' +
      '"host":"api.example.com","target":"/v1/a?b=1","protocol":"HTTP/1.1","status":200,"bytes_in":3,"bytes_out":66,' +
      '"duration_ms":1.235,"route":"api","upstream":"api","backend":"b2","attempts":1,"error":"","request_id":"k3-1",' +
      '"user_agent":"curl/8.0","referer":""}',
  );
});

Deno.test("jsonLine() follows the clock over seconds, back and forth", () => {
  const times = [0, 999, 1000, 1_699_999_999_950.75, 0];
  assertEquals(
    times.map((timeMs) => JSON.parse(jsonLine({ ...ENTRY, timeMs })).time),
    times.map((timeMs) => new Date(timeMs).toISOString()),
  );
});

Deno.test("jsonLine() stays JSON with numbers that JSON cannot say", () => {
  const parsed = JSON.parse(jsonLine({ ...ENTRY, durationMs: NaN, bytesOut: Infinity }));
  assertEquals([parsed.duration_ms, parsed.bytes_out], [null, null]);
});

Deno.test("combinedLine() writes nginx's combined format", () => {
  assertEquals(
    combinedLine({ ...ENTRY, referer: "http://a/" }),
    '203.0.113.9 - - [05/Oct/2000:13:55:36 +0000] "GET /v1/a?b=1 HTTP/1.1" 200 66 "http://a/" "curl/8.0"',
  );
});

Deno.test("combinedLine() writes a dash for what is absent", () => {
  assertEquals(
    combinedLine({ ...ENTRY, client: "", userAgent: "" }),
    '- - - [05/Oct/2000:13:55:36 +0000] "GET /v1/a?b=1 HTTP/1.1" 200 66 "-" "-"',
  );
});

Deno.test("jsonLine() writes milliseconds to the microsecond, without zeros at the end", () => {
  const cases = [
    0,
    0.0004,
    0.001,
    0.01,
    0.05,
    0.1,
    0.12,
    0.123,
    1,
    1.5,
    10.04,
    123.4567,
    2_147_483.647,
    2_147_484,
    1e9 + 0.25,
  ];
  for (const ms of cases) {
    const expected = `"duration_ms":${Math.round(ms * 1000) / 1000},`;
    assertEquals(jsonLine({ ...ENTRY, durationMs: ms }).match(/"duration_ms":[^,]*,/)![0], expected);
  }
});

/** Whatever parts of a line are kept for the next one, each line says what it is about. */
Deno.test("jsonLine() says the same whatever lines came before (seeded)", () => {
  const random = createRandom(17);
  const oneOf = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)];
  const texts = ["", "a", "b", "api", "apj", "bpi", "x".repeat(600), 'q"', "caf\u00c3\u00a9"];
  const memories = texts.map((): FieldPartMemory => ({ logged: null }));
  for (let round = 0; round < 2000; round++) {
    const at = Math.floor(random() * texts.length);
    const fields: Fields = {
      ...ENTRY,
      timeMs: ENTRY.timeMs + oneOf([0, 1, 999, 1000, -1]),
      method: oneOf(["GET", "PUT", "x"]),
      scheme: oneOf(["http", "https"]),
      protocol: oneOf(["HTTP/1.1", "HTTP/2", "HTTP/1.0"]),
      host: oneOf(texts),
      status: oneOf([0, 200, 264, 404]),
      bytesIn: oneOf([0, 0, 5]),
      route: oneOf(texts),
      upstream: oneOf(texts),
      backend: oneOf(texts),
      attempts: oneOf([0, 1, 2]),
      error: oneOf(["", "connect_refused"]),
      userAgent: texts[at], // what is kept with a memory belongs to its bytes
      referer: texts[at],
    };
    const line = lineOf(writeJsonLine, fields, { asBytes: oneOf([true, false]), memory: oneOf([memories[at], null]) });
    const read = JSON.parse(line);
    const names = ["method", "scheme", "protocol", "status", "attempts", "error"] as const;
    for (const name of names) assertEquals(read[name], fields[name]);
    const wanted = [fields.host, fields.route, fields.upstream, fields.backend, fields.userAgent, fields.referer];
    const got = [read.host, read.route, read.upstream, read.backend, read.user_agent, read.referer];
    assertEquals(got, wanted.map((text) => text.replace("\u00c3\u00a9", "\u00e9")));
    assertEquals([read.bytes_in, Date.parse(read.time)], [fields.bytesIn, fields.timeMs]);
  }
});

const bytesOf = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));
const HOSTILE: Array<[name: string, text: string, combined: string, json: string, parsed?: string]> = [
  ["a line end", 'a\r\n{"status":500}', "a\\x0D\\x0A{\\x22status\\x22:500}", 'a\\r\\n{\\"status\\":500}'],
  ["a quote", 'a" 500 0 "', "a\\x22 500 0 \\x22", 'a\\" 500 0 \\"'],
  ["a backslash", "a\\", "a\\x5C", "a\\\\"],
  ["an escape sequence", "\u001b[2J", "\\x1B[2J", "\\u001b[2J"],
  ["a zero byte and DEL", "\u0000\u007f", "\\x00\\x7F", "\\u0000\\u007f"],
  ["a C1 control", "\u009b31m", "\\x9B31m", "\\u009b31m"],
  ["a C1 control in UTF-8", bytesOf("\u0085x"), "\\xC2\\x85x", "\\u0085x", "\u0085x"],
  [
    "UTF-8 of two, three and four bytes",
    bytesOf("caf\u00e9 \u20ac \u{1f600}z"),
    "caf\\xC3\\xA9 \\xE2\\x82\\xAC \\xF0\\x9F\\x98\\x80z",
    "caf\u00e9 \u20ac \u{1f600}z",
    "caf\u00e9 \u20ac \u{1f600}z",
  ],
  ["UTF-8 between quotes", bytesOf('"\u00fc"'), "\\x22\\xC3\\xBC\\x22", '\\"\u00fc\\"', '"\u00fc"'],
  ["a byte of Latin-1", "caf\u00e9", "caf\\xE9", "caf\\u00e9"],
  ["UTF-8 that is cut off", "\u00e2\u0082", "\\xE2\\x82", "\\u00e2\\u0082"],
  ["a continuation byte alone", "\u00bfa", "\\xBFa", "\\u00bfa"],
  [
    "UTF-8 longer than it needs to be",
    "\u00c0\u00af\u00e0\u0080\u00af",
    "\\xC0\\xAF\\xE0\\x80\\xAF",
    "\\u00c0\\u00af\\u00e0\\u0080\\u00af",
  ],
  ["half a pair in UTF-8", "\u00ed\u00a0\u0080", "\\xED\\xA0\\x80", "\\u00ed\\u00a0\\u0080"],
  ["UTF-8 beyond Unicode", "\u00f4\u0090\u0080\u0080", "\\xF4\\x90\\x80\\x80", "\\u00f4\\u0090\\u0080\\u0080"],
  [
    "a line separator in UTF-8",
    bytesOf("a\u2028\u2029b"),
    "a\\xE2\\x80\\xA8\\xE2\\x80\\xA9b",
    "a\\u2028\\u2029b",
    "a\u2028\u2029b",
  ],
  [
    "what turns text around",
    bytesOf("\u202e\u2066"),
    "\\xE2\\x80\\xAE\\xE2\\x81\\xA6",
    "\\u202e\\u2066",
    "\u202e\u2066",
  ],
  ["text beyond Latin-1", "\u20ac\u{1f600}", "\\xE2\\x82\\xAC\\xF0\\x9F\\x98\\x80", "\u20ac\u{1f600}"],
  ["half a surrogate pair", "a\ud800b", "a\\xEF\\xBF\\xBDb", "a\\ud800b"],
];
// deno-lint-ignore no-control-regex
const HARMFUL = /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/;
const TEXT_FIELDS = ["client", "method", "host", "target", "protocol", "userAgent", "referer"] as const;

for (const [name, text, combined, json, parsed = text] of HOSTILE) {
  for (const asBytes of [false, true]) {
    const how = asBytes ? ", as bytes" : "";
    Deno.test(`jsonLine() escapes ${name} in every field${how}`, () => {
      for (const field of TEXT_FIELDS) {
        const line = lineOf(writeJsonLine, { ...ENTRY, [field]: text }, { asBytes });
        assertEquals(HARMFUL.test(line.replaceAll("\u{1f600}", "")), false);
        const key = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
        assertEquals(line.includes(`"${key}":"${json}"`), true, line);
        assertEquals(JSON.parse(line)[key], parsed);
      }
    });
    Deno.test(`combinedLine() escapes ${name}${how}`, () => {
      const fields = { ...ENTRY, userAgent: text, client: text, target: text, referer: text };
      assertEquals(
        lineOf(writeCombinedLine, fields, { asBytes }),
        `${combined} - - [05/Oct/2000:13:55:36 +0000] "GET ${combined} HTTP/1.1" 200 66 "${combined}" "${combined}"`,
      );
    });
  }
}

Deno.test("jsonLine() of any bytes is UTF-8 and one object, and costs little (seeded)", () => {
  const random = createRandom(5);
  for (let round = 0; round < 300; round++) {
    const length = Math.floor(random() * 40);
    const low = random() < 0.5 ? 0 : 0x7f;
    const text = String.fromCharCode(...Array.from({ length }, () => low + Math.floor(random() * (256 - low))));
    const read = JSON.parse(lineOf(writeJsonLine, { ...ENTRY, userAgent: text, target: text }, { asBytes: true }));
    assertEquals(read.user_agent, read.target);
  }
  // 32 KiB of each kind: bounded work, and bounded size.
  for (const text of ["\u00ff", "\u0001", '"', bytesOf("\u20ac"), bytesOf("\u2028")]) {
    const line = lineOf(writeJsonLine, { ...ENTRY, userAgent: text.repeat(32768) }, { asBytes: true });
    assertEquals(line.length <= 6 * 32768 + 400, true);
  }
});

const IDS: Array<[text: string, expected: boolean]> = [
  ["a", true],
  ["3f2504e0-4f89-11d3-9a0c-0305e82c3301", true],
  ["Root=1-67891233-abcdef012345678912345678", true],
  ["a.b_c~d+e/f=g-h", true],
  ["x".repeat(REQUEST_ID_LENGTH_MAX), true],
  ["", false],
  ["x".repeat(REQUEST_ID_LENGTH_MAX + 1), false],
  ["a b", false],
  ["a\n", false],
  ['a"', false],
  ["a;b", false],
  ["\u00e9", false],
  ["\u0661", false],
];

for (const [text, expected] of IDS) {
  Deno.test(`saneRequestId() says ${expected} for ${JSON.stringify(text.slice(0, 40))} (${text.length})`, () => {
    assertEquals(saneRequestId(text), expected);
  });
}

Deno.test("RequestIds.next() gives distinct sane ids and draws its randomness once", () => {
  let draws = 0;
  const source = new RequestIds(() => (draws++ * 0.37) % 1);
  const drawn = draws;
  const ids = Array.from({ length: 1000 }, () => source.text(source.next()));
  assertEquals(new Set(ids).size, 1000);
  assertEquals(ids.every(saneRequestId), true);
  assertEquals(draws, drawn);
  const out = new ByteWriter();
  source.write(out, 36 * 36 - 1);
  assertEquals(new TextDecoder().decode(out.view()), source.text(36 * 36 - 1));
  assertEquals(ids[0].split("-")[1] + ids[36].split("-")[1], "010");
});
