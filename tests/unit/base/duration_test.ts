import { assertEquals, assertThrows } from "@std/assert";
import { formatDuration, parseDuration } from "../../../lib/base/duration.ts";

const GOOD: ReadonlyArray<readonly [text: string, ms: number]> = [
  ["0s", 0],
  ["0ms", 0],
  ["250ms", 250],
  ["2s", 2000],
  ["1m30s", 90_000],
  ["1h", 3_600_000],
  ["1d2h3m4s5ms", 93_784_005],
  ["90s", 90_000],
];
for (const [text, ms] of GOOD) {
  Deno.test(`parseDuration() reads "${text}"`, () => {
    assertEquals(parseDuration(text), ms);
    assertEquals(parseDuration(text), ms, "the remembered result differs");
  });
}

const BAD: readonly string[] = [
  "",
  " ",
  "5",
  "-1s",
  "+1s",
  "1.5s",
  "1 s",
  "s",
  "1S",
  "1s1m",
  "1s1s",
  "1ms1s",
  "1w",
  "1sec",
  "1s ",
  "1e3s",
  "0x1s",
  "99999999999999999s",
  "١s",
];
for (const text of BAD) {
  Deno.test(`parseDuration() refuses ${JSON.stringify(text)}`, () => {
    assertThrows(() => parseDuration(text), SyntaxError, "must be a duration such as");
  });
}

Deno.test("parseDuration() says that the unit is missing", () => {
  assertThrows(() => parseDuration("30"), SyntaxError, `got "30" without a unit`);
});

Deno.test("parseDuration() stays right beyond its cache", () => {
  for (let round = 0; round < 2; round++) {
    for (let ms = 0; ms < 600; ms++) assertEquals(parseDuration(`${ms}ms`), ms);
  }
});

const FORMATTED: ReadonlyArray<readonly [ms: number, text: string]> = [
  [0, "0s"],
  [1, "1ms"],
  [1500, "1s500ms"],
  [90_000, "1m30s"],
  [86_400_000, "1d"],
];
for (const [ms, text] of FORMATTED) {
  Deno.test(`formatDuration() writes ${ms} ms as "${text}"`, () => {
    assertEquals(formatDuration(ms), text);
    assertEquals(parseDuration(text), ms);
  });
}

for (const ms of [-1, 0.5, NaN, Infinity]) {
  Deno.test(`formatDuration() refuses ${ms}`, () => {
    assertThrows(() => formatDuration(ms), RangeError);
  });
}
