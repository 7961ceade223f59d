import { assertEquals } from "@std/assert";
import { OutcomeWindow } from "../../../lib/health/outcome_window.ts";

function totals(window: OutcomeWindow, nowMs: number): [requests: number, failures: number] {
  window.advance(nowMs);
  return [window.requests, window.failures];
}

Deno.test("OutcomeWindow.advance() drops a tenth at a time", () => {
  const window = new OutcomeWindow(1000);
  window.recordFailure(50);
  window.recordSuccess(150);
  window.recordFailure(950);
  const seen = [999, 1000, 1099, 1100, 1899, 1900].map((nowMs) => totals(window, nowMs));
  assertEquals(seen, [[3, 2], [2, 1], [2, 1], [1, 1], [1, 1], [0, 0]]);
});

Deno.test("OutcomeWindow.advance() empties after any silence", () => {
  for (const silenceMs of [1000, 1001, 5000, 1e12]) {
    const window = new OutcomeWindow(1000);
    window.recordFailure(0);
    assertEquals(totals(window, silenceMs), [0, 0]);
    window.recordFailure(silenceMs);
    assertEquals(totals(window, silenceMs + 899), [1, 1]);
  }
});

Deno.test("OutcomeWindow.recordSuccess() stands still when the clock steps back", () => {
  const window = new OutcomeWindow(1000);
  window.recordSuccess(5000);
  window.recordSuccess(10);
  assertEquals([totals(window, 10), totals(window, 5899), totals(window, 6000)], [[2, 0], [2, 0], [0, 0]]);
});

Deno.test("OutcomeWindow.reset() forgets and goes on", () => {
  const window = new OutcomeWindow(1000);
  window.recordFailure(500);
  window.reset();
  window.recordSuccess(510);
  assertEquals(totals(window, 510), [1, 0]);
  assertEquals(totals(window, 1500), [0, 0]);
});

Deno.test("OutcomeWindow agrees with a list of time stamps", () => {
  const window = new OutcomeWindow(1000);
  const events: { atMs: number; isFailure: boolean }[] = [];
  let nowMs = 0;
  for (let step = 1; step < 5000; step++) {
    // Steps of a fixed but irregular length: no bucket border is met alike twice.
    nowMs += (step * 7919) % 23 + ((step * 31) % 499 === 0 ? 3000 : 0);
    const isFailure = (step * 104_729) % 3 === 0;
    if (isFailure) window.recordFailure(nowMs);
    else window.recordSuccess(nowMs);
    events.push({ atMs: nowMs, isFailure });
    const fromMs = (Math.floor(nowMs / 100) - 9) * 100;
    const inside = events.filter(({ atMs }) => atMs >= fromMs);
    assertEquals([window.requests, window.failures], [inside.length, inside.filter((event) => event.isFailure).length]);
    while (events.length > 0 && events[0].atMs < fromMs) events.shift();
  }
});
