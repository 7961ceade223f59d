/** How fast a client has to be: time that it spends, and earns back with bytes. */

import { assertEquals } from "../../../support/assert.ts";
import { BodyPace } from "../../../../lib/proxy/message/body_pace.ts";

/** Sends `bytes` after each `everyMs`. @returns After how long it was too slow; -1: never in ten hours. */
function tooSlowAfter(bytes: number, everyMs: number): number {
  const pace = new BodyPace(240, 60_000);
  for (let nowMs = 0; nowMs < 36_000_000; nowMs += everyMs) {
    const leftMs = pace.begin(nowMs);
    if (leftMs < everyMs) return nowMs + leftMs;
    pace.end(bytes, nowMs + everyMs);
  }
  return -1;
}

const ROWS: ReadonlyArray<readonly [name: string, bytes: number, everyMs: number, tooSlowMs: number]> = [
  ["a byte a second", 1, 1000, 60_245],
  ["a byte now and then", 1, 29_000, 60_009],
  ["just below the rate", 230, 1000, 1_418_000],
  ["just above the rate", 241, 1000, -1],
  ["a phone on GPRS, in bursts", 20_000, 20_000, -1],
  ["nothing for as long as there may be, then much", 100_000, 59_000, -1],
];
for (const [name, bytes, everyMs, tooSlowMs] of ROWS) {
  Deno.test(`BodyPace: ${name}`, () => {
    const got = tooSlowAfter(bytes, everyMs);
    const tolerance = tooSlowMs / 100;
    assertEquals(tooSlowMs < 0 ? got : Math.abs(got - tooSlowMs) <= tolerance || got, tooSlowMs < 0 ? -1 : true);
  });
}

Deno.test("BodyPace earns nothing beyond its window: who was fast may not stop for ever", () => {
  const pace = new BodyPace(240, 60_000);
  pace.begin(0);
  pace.end(1_000_000_000, 1000);
  assertEquals(pace.begin(1000), 60_000);
});

Deno.test("BodyPace spends nothing while the client is not waited for", () => {
  const pace = new BodyPace(240, 60_000);
  pace.begin(0);
  pace.end(0, 10_000);
  pace.end(0, 500_000);
  assertEquals(pace.begin(1_000_000), 50_000);
});

Deno.test("BodyPace.widen() gives the time by which the window grows, and takes none", () => {
  const pace = new BodyPace(240, 10_000);
  pace.begin(0);
  pace.end(0, 5000);
  pace.widen(30_000);
  pace.widen(20_000);
  assertEquals(pace.begin(5000), 25_000);
});
