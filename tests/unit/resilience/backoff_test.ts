import { assertEquals, assertInstanceOf } from "@std/assert";
import { createBackoff, DoublingBackoff, HalfAgainBackoff, PowerBackoff } from "../../../lib/resilience/backoff.ts";
import { retryAfterMs } from "../../../lib/resilience/retry_after.ts";

const ALMOST_ONE = 1 - 2 ** -53;

const SHAPES = [
  { name: "2", multiplier: 2, initialMs: 25, maxMs: 250, shape: DoublingBackoff },
  { name: "2, cap on a power", multiplier: 2, initialMs: 25, maxMs: 400, shape: DoublingBackoff },
  { name: "2, no growth", multiplier: 2, initialMs: 25, maxMs: 25, shape: DoublingBackoff },
  { name: "2, widest", multiplier: 2, initialMs: 1, maxMs: 2 ** 30 - 1, shape: DoublingBackoff },
  { name: "2, part of a ms", multiplier: 2, initialMs: 0.5, maxMs: 250, shape: PowerBackoff },
  { name: "2, from zero", multiplier: 2, initialMs: 0, maxMs: 250, shape: PowerBackoff },
  { name: "2, past 31 bits", multiplier: 2, initialMs: 1000, maxMs: 2 ** 40, shape: PowerBackoff },
  { name: "1.5", multiplier: 1.5, initialMs: 25, maxMs: 250, shape: HalfAgainBackoff },
  { name: "1.5, start above the cap", multiplier: 1.5, initialMs: 500, maxMs: 250, shape: HalfAgainBackoff },
  { name: "1.5, from zero", multiplier: 1.5, initialMs: 0, maxMs: 250, shape: PowerBackoff },
  { name: "1", multiplier: 1, initialMs: 25, maxMs: 250, shape: PowerBackoff },
  { name: "3", multiplier: 3, initialMs: 25, maxMs: 250, shape: PowerBackoff },
];

for (const { name, shape, ...settings } of SHAPES) {
  for (const jitter of [0, 0.5, 1]) {
    Deno.test(`createBackoff() multiplier ${name}, jitter ${jitter} grows, is capped, and spreads`, () => {
      const backoff = createBackoff({ ...settings, jitter });
      assertInstanceOf(backoff, shape);
      for (const attempt of [1, 2, 3, 4, 5, 6, 7, 20, 30, 31, 32, 33, 64, 1000, 1e6]) {
        const growth = settings.multiplier ** Math.min(attempt - 1, 1000);
        const ceiling = Math.min(settings.maxMs, settings.initialMs * growth);
        assertClose(backoff.delayMs(attempt, 0), ceiling * (1 - jitter));
        assertClose(backoff.delayMs(attempt, 0.5), ceiling * (1 - jitter / 2));
        assertClose(backoff.delayMs(attempt, ALMOST_ONE), ceiling);
        assertEquals(backoff.delayMs(attempt, ALMOST_ONE) <= settings.maxMs, true);
      }
    });
  }
}

function assertClose(actual: number, expected: number): void {
  assertEquals(Math.abs(actual - expected) <= expected * 1e-9, true, `got ${actual}, want ${expected}`);
}

const NOW = Date.UTC(1994, 10, 6, 8, 49, 0);
const MAX_MS = 60_000;
const VALUES = [
  { value: "0", expected: 0 },
  { value: "7", expected: 7_000 },
  { value: "0007", expected: 7_000 },
  { value: "61", expected: MAX_MS },
  { value: "9999999999", expected: MAX_MS },
  { value: "99999999999", expected: -1 },
  { value: "Sun, 06 Nov 1994 08:49:37 GMT", expected: 37_000 },
  { value: "Sunday, 06-Nov-94 08:49:37 GMT", expected: 37_000 },
  { value: "Sun Nov  6 08:49:37 1994", expected: 37_000 },
  { value: "Sun, 06 Nov 1994 08:48:37 GMT", expected: 0 },
  { value: "Sun, 06 Nov 1994 08:49:60 GMT", expected: 60_000 },
  { value: "Sun, 06 Nov 2094 08:49:37 GMT", expected: MAX_MS },
  { value: "Sunday, 06-Nov-44 08:49:37 GMT", expected: MAX_MS },
  { value: "Sunday, 06-Nov-45 08:49:37 GMT", expected: 0 },
  { value: "", expected: -1 },
  { value: "-1", expected: -1 },
  { value: "+1", expected: -1 },
  { value: "1.5", expected: -1 },
  { value: "1e3", expected: -1 },
  { value: "0x10", expected: -1 },
  { value: " 1", expected: -1 },
  { value: "soon", expected: -1 },
  { value: "2094-11-06T08:49:37Z", expected: -1 },
  { value: "Sun, 31 Feb 2094 08:49:37 GMT", expected: -1 },
  { value: "Sun, 00 Nov 2094 08:49:37 GMT", expected: -1 },
  { value: "Sun, 06 Ovd 2094 08:49:37 GMT", expected: -1 },
  { value: "Sun, 06 Nov 2094 24:49:37 GMT", expected: -1 },
  { value: "Sun, 06 Nov 2094 08:60:37 GMT", expected: -1 },
  { value: "Sun, 06 Nov 2094 08:49:61 GMT", expected: -1 },
  { value: "Sun, 06 Nov 2094 08:49:37 CET", expected: -1 },
];

for (const { value, expected } of VALUES) {
  Deno.test(`retryAfterMs() "${value}" is ${expected}`, () => {
    assertEquals(retryAfterMs(value, NOW, MAX_MS), expected);
  });
}

Deno.test("retryAfterMs() reads two-digit years of the next century", () => {
  const now = Date.UTC(2090, 0, 1);
  assertEquals(retryAfterMs("Sunday, 06-Nov-10 08:49:37 GMT", now, MAX_MS), MAX_MS);
  assertEquals(retryAfterMs("Sunday, 06-Nov-41 08:49:37 GMT", now, MAX_MS), 0);
});
