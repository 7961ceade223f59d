import { assertEquals, assertInRange } from "../../support/assert.ts";
import { Deadlines, TICK_MS, type Timed } from "../../../lib/transport/deadlines.ts";

class Entry implements Timed {
  deadlineMs: number;
  deadlineIndex = -1;
  readonly fired: number[] = [];
  readonly #onFire: (entry: Entry) => void;

  constructor(deadlineMs: number, onFire: (entry: Entry) => void = () => {}) {
    this.deadlineMs = deadlineMs;
    this.#onFire = onFire;
  }

  onDeadline(nowMs: number): void {
    this.fired.push(nowMs);
    this.#onFire(this);
  }
}

function stage(...entries: Entry[]): Deadlines {
  const deadlines = new Deadlines(() => 0);
  for (const entry of entries) deadlines.add(entry);
  return deadlines;
}

Deno.test("Deadlines.tick() fires what has passed, never before", () => {
  const [early, late, never] = [new Entry(10), new Entry(20), new Entry(Infinity)];
  const deadlines = stage(early, late, never);
  deadlines.tick(9.9);
  assertEquals([early.fired, late.fired], [[], []]);
  deadlines.tick(10);
  assertEquals([early.fired, late.fired, never.fired], [[10], [], []]);
});

Deno.test("Deadlines.tick() fires again at the next tick unless the deadline moved", () => {
  const moving = new Entry(10, (entry) => entry.deadlineMs = 30);
  const staying = new Entry(10);
  const deadlines = stage(moving, staying);
  for (const nowMs of [10, 20, 30]) deadlines.tick(nowMs);
  assertEquals([moving.fired, staying.fired], [[10, 30], [10, 20, 30]]);
});

Deno.test("Deadlines.remove() keeps the others, wherever the entry stood, and is harmless twice", () => {
  for (const gone of [0, 1, 2]) {
    const entries = [new Entry(1), new Entry(1), new Entry(1)];
    const deadlines = stage(...entries);
    deadlines.remove(entries[gone]);
    deadlines.remove(entries[gone]);
    assertEquals([deadlines.size, entries[gone].deadlineIndex], [2, -1]);
    deadlines.tick(1);
    assertEquals(entries.map(({ fired }) => fired.length), [0, 1, 2].map((index) => index === gone ? 0 : 1));
  }
});

Deno.test("Deadlines.tick() fires each once when entries remove themselves", () => {
  const entries = Array.from({ length: 10 }, () => new Entry(1, (entry) => deadlines.remove(entry)));
  const deadlines = stage(...entries);
  deadlines.tick(1);
  assertEquals([deadlines.size, entries.map(({ fired }) => fired.length)], [0, Array(10).fill(1)]);
});

Deno.test("Deadlines.tick() survives entries that remove others and add new ones", () => {
  const others = [new Entry(1), new Entry(1), new Entry(1)];
  const added = new Entry(1);
  const remover = new Entry(1, () => {
    for (const other of others) deadlines.remove(other);
    if (added.deadlineIndex < 0) deadlines.add(added);
  });
  const deadlines = stage(...others, remover);
  deadlines.tick(1);
  // What removes others may be moved to where the walk has not been, and is then told twice in one tick.
  assertInRange(remover.fired.length, 1, 2);
  assertEquals([deadlines.size, others.map(({ fired }) => fired.length)], [2, [0, 0, 0]]);
  deadlines.tick(2);
  assertInRange(added.fired.length, 1, 2);
});

Deno.test("Deadlines.start() ticks by itself until stop(), and starts once", async () => {
  const fired = Promise.withResolvers<void>();
  const deadlines = new Deadlines(() => performance.now());
  const entry = new Entry(0, () => fired.resolve());
  deadlines.add(entry);
  deadlines.start();
  deadlines.start();
  const alive = setTimeout(() => {}, 10_000); // the interval alone does not keep the process alive
  await fired.promise;
  clearTimeout(alive);
  deadlines.stop();
  deadlines.stop();
  assertEquals(TICK_MS, 25);
});
