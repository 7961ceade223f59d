import { assertEquals } from "@std/assert";
import { ByteWriter } from "../lib/base/byte_writer.ts";
import { type AccessEntry, combinedLine, jsonLine } from "../lib/observe/access_line.ts";
import { REQUEST_ID_LENGTH_MAX, RequestIds, saneRequestId } from "../lib/observe/request_id.ts";

const ENTRY: AccessEntry = {
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

const HOSTILE: Array<[name: string, text: string, combined: string]> = [
  ["a line end", 'a\r\n{"status":500}', "a\\x0D\\x0A{\\x22status\\x22:500}"],
  ["a quote", 'a" 500 0 "', "a\\x22 500 0 \\x22"],
  ["a backslash", "a\\", "a\\x5C"],
  ["an escape sequence", "\u001b[2J", "\\x1B[2J"],
  ["a zero byte and DEL", "\u0000\u007f", "\\x00\\x7F"],
  ["a C1 control", "\u009b31m", "\\x9B31m"],
  ["Latin-1", "caf\u00e9", "caf\\xE9"],
  ["text beyond Latin-1", "\u20ac\u{1f600}", "\\xE2\\x82\\xAC\\xF0\\x9F\\x98\\x80"],
  ["a line separator", "a\u2028b", "a\\xE2\\x80\\xA8b"],
  ["half a surrogate pair", "a\ud800b", "a\\xEF\\xBF\\xBDb"],
];
const TEXT_FIELDS = ["client", "method", "host", "target", "protocol", "requestId", "userAgent", "referer"] as const;

for (const [name, text, combined] of HOSTILE) {
  Deno.test(`jsonLine() escapes ${name} in every field`, () => {
    for (const field of TEXT_FIELDS) {
      const line = jsonLine({ ...ENTRY, [field]: text });
      // deno-lint-ignore no-control-regex
      assertEquals(/[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]/.test(line.replaceAll("\u{1f600}", "")), false);
      const key = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      assertEquals(JSON.parse(line)[key], text);
    }
  });
  Deno.test(`combinedLine() escapes ${name}`, () => {
    assertEquals(
      combinedLine({ ...ENTRY, userAgent: text, client: text, target: text, referer: text }),
      `${combined} - - [05/Oct/2000:13:55:36 +0000] "GET ${combined} HTTP/1.1" 200 66 "${combined}" "${combined}"`,
    );
  });
}

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
