/** How many descriptors are left, over a process that has as many as a test says. */

import { assert, assertEquals } from "../../support/assert.ts";
import { Descriptors } from "../../../lib/transport/descriptors.ts";

class Process {
  readonly budget: Descriptors;
  readonly events: string[] = [];
  readonly #limit: number;
  /** Descriptors that others hold: clients, files. */
  others: number;
  /** Opened by looks. */
  looks = 0;
  nowMs = 0;
  failure: Error | null = null;
  #open = 0;

  constructor(limit: number, others: number) {
    this.#limit = limit;
    this.others = others;
    this.budget = new Descriptors({
      open: () => this.#take(),
      onShort: ({ free, connections }) => this.events.push(`short: ${free} free, ${connections} connections`),
      onRestored: ({ afterMs, refused }) => this.events.push(`restored after ${afterMs} ms, ${refused} refused`),
    });
  }

  get free(): number {
    return this.#limit - this.others - this.budget.connections - this.#open;
  }

  /** As many as may be opened, each with a client. @returns How many. */
  openAll(max = Infinity): number {
    let opened = 0;
    while (opened < max && this.budget.mayOpen(this.nowMs)) {
      assert(this.free >= 0, "EMFILE came first");
      this.budget.opening();
      this.others++;
      opened++;
    }
    return opened;
  }

  close(count: number): void {
    for (let index = 0; index < count; index++) this.budget.closed();
    this.others -= count;
  }

  #take(): { close(): void } {
    this.looks++;
    if (this.failure !== null) throw this.failure;
    if (this.free <= 0) throw Object.assign(new Error("too many open files"), { code: "EMFILE" });
    this.#open++;
    return { close: () => this.#open-- };
  }
}

for (const [limit, reserve] of [[256, 24], [1024, 110], [4096, 128], [20_000, 128]]) {
  Deno.test(`Descriptors.mayOpen() leaves descriptors for others: of ${limit} at least ${reserve}`, () => {
    const process = new Process(limit, 40);
    const opened = process.openAll(limit);
    assert(process.free >= reserve, `${process.free} are left`);
    assert(process.free <= reserve + 16, `${process.free} are left`);
    assertEquals(process.events, [`short: ${process.free} free, ${opened} connections`]);
  });
}

Deno.test("Descriptors.mayOpen() looks at nothing for a few connections, and little for many", () => {
  const process = new Process(20_000, 40);
  process.openAll(40);
  assertEquals(process.looks, 0);
  process.openAll(5000);
  assert(process.looks < 20_000, `${process.looks} for 5000 connections`);
  const before = process.looks;
  for (let round = 0; round < 1000; round++) {
    process.close(1);
    process.openAll(1);
  }
  assertEquals(process.looks, before); // those that come and go need no other look
});

Deno.test("Descriptors.mayOpen() sees after a while what others have taken", () => {
  const process = new Process(1000, 40);
  process.openAll(60);
  process.others += 830;
  process.nowMs += 6000;
  assertEquals(process.openAll(20), 0);
  assertEquals(process.events.length, 1);
});

Deno.test("Descriptors says once that there are too few, and once that there are enough again", () => {
  const process = new Process(1000, 40);
  const opened = process.openAll();
  for (let round = 0; round < 100; round++) process.openAll();
  assertEquals(process.events, [`short: ${process.free} free, ${opened} connections`]);
  process.close(100);
  process.nowMs += 200;
  assertEquals(process.openAll(10), 10);
  assertEquals(process.events.length, 1); // it may not be over
  process.nowMs += 2000;
  process.openAll(1);
  assertEquals(process.events[1], `restored after 2200 ms, 101 refused`);
});

Deno.test("Descriptors.mayOpen() finds enough where it can't look", () => {
  const process = new Process(1000, 40);
  process.failure = new Deno.errors.NotFound("the file has gone");
  assertEquals(process.openAll(400), 400);
});
