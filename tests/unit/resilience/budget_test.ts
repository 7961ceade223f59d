import { assertEquals } from "@std/assert";
import { RetryBudget } from "../../../lib/resilience/budget.ts";

const WINDOW_MS = 10_000;
const BUCKET_MS = WINDOW_MS / 10;

function take(budget: RetryBudget, nowMs: number, tries: number): number {
  let taken = 0;
  for (let i = 0; i < tries; i++) if (budget.tryTake(nowMs)) taken++;
  return taken;
}

function send(budget: RetryBudget, nowMs: number, requests: number): void {
  for (let i = 0; i < requests; i++) budget.onRequest(nowMs);
}

Deno.test("RetryBudget.tryTake() grants the floor to a quiet upstream", () => {
  const budget = new RetryBudget(0.2);
  send(budget, 0, 1);
  assertEquals([take(budget, 0, 20), budget.hasRoom(0)], [10, false]);
});

Deno.test("RetryBudget.tryTake() grants the share of a busy one", () => {
  const budget = new RetryBudget(0.2);
  send(budget, 0, 1000);
  assertEquals(take(budget, 0, 1000), 200);
});

Deno.test("RetryBudget.tryTake() grants again what left the window", () => {
  const budget = new RetryBudget(0.2);
  assertEquals(take(budget, 500, 20), 10);
  assertEquals(take(budget, 9999, 10), 0);
  assertEquals(take(budget, 10_000, 20), 10);
});

Deno.test("RetryBudget.tryTake() forgets requests of before the window", () => {
  const budget = new RetryBudget(0.2);
  send(budget, 0, 1000);
  assertEquals(take(budget, 10_000, 1000), 10);
  assertEquals(take(budget, 1e9, 1000), 10);
});

Deno.test("RetryBudget.tryTake() with share 0 grants none", () => {
  const budget = new RetryBudget(0);
  send(budget, 0, 1000);
  assertEquals(take(budget, 0, 10), 0);
});

Deno.test("RetryBudget.hasRoom() counts nothing", () => {
  const budget = new RetryBudget(0.2, { floor: 1 });
  assertEquals([budget.hasRoom(0), budget.hasRoom(0), budget.tryTake(0), budget.hasRoom(0)], [true, true, true, false]);
});

Deno.test("RetryBudget holds still when the clock steps back", () => {
  const budget = new RetryBudget(0.2);
  assertEquals([take(budget, 50_000, 20), take(budget, 0, 20), take(budget, 50_000, 20)], [10, 0, 0]);
});

for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
  Deno.test(`RetryBudget.tryTake() never exceeds its share over any window (seed ${seed})`, () => {
    const random = mulberry(seed);
    const share = [0.05, 0.2, 0.5, 1][seed % 4];
    const budget = new RetryBudget(share);
    const requests: number[] = [];
    const retries: number[] = [];
    let nowMs = 0;
    for (let step = 0; step < 4000; step++) {
      // Bursts, lulls, and now and then a silence longer than the window.
      nowMs += random() < 0.002 ? random() * 3 * WINDOW_MS : random() * (step % 500 < 250 ? 5 : 200);
      if (random() < 0.5) {
        budget.onRequest(nowMs);
        requests.push(nowMs);
      } else if (budget.tryTake(nowMs)) {
        retries.push(nowMs);
        // Between 9 and 10 tenths of the window are counted: retries of the shorter, requests of the longer one.
        const spent = countAfter(retries, nowMs - (WINDOW_MS - BUCKET_MS));
        const earned = share * countAfter(requests, nowMs - WINDOW_MS);
        assertEquals(spent <= Math.max(10, earned), true, `step ${step}: ${spent} retries, ${earned} earned`);
      }
    }
    assertEquals(retries.length > 20, true, "the traffic was to press on the budget");
  });
}

function countAfter(times: readonly number[], afterMs: number): number {
  let count = 0;
  for (let i = times.length - 1; i >= 0 && times[i] > afterMs; i--) count++;
  return count;
}

/** mulberry32: small, seeded, good enough to shuffle traffic. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
