import { assertEquals } from "@std/assert";
import { turnClock } from "../../../lib/base/clock.ts";

/** A time that goes on by one each time it is read. */
function counting(): () => number {
  let reads = 0;
  return () => ++reads;
}

Deno.test("turnClock() reads once for all that runs in one turn, those included that were waiting for it", async () => {
  const nowMs = turnClock(counting());
  const asked: number[] = [];
  const waiting = [1, 2, 3].map(async () => {
    await null;
    asked.push(nowMs(), nowMs());
  });
  await Promise.all(waiting);
  assertEquals(asked, [1, 1, 1, 1, 1, 1]);
});

Deno.test("turnClock() reads anew in the next turn, whatever it begins with", async () => {
  const nowMs = turnClock(counting());
  assertEquals(nowMs(), 1);
  await null;
  assertEquals(nowMs(), 2);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(nowMs(), 3);
  assertEquals(nowMs(), 3);
});
