/** Spans on their way to a collector that takes them, refuses them, or does not answer. */

import { assert, assertEquals } from "../../../support/assert.ts";
import { SpanQueue, type SpanQueueBounds } from "../../../../lib/runtime/telemetry/span_queue.ts";
import { Watch } from "../../../support/waiting.ts";

const PATIENCE_MS = 20_000;

const BOUNDS: SpanQueueBounds = {
  waitingMax: 8,
  batchMax: 4,
  flushMs: 1,
  sendMsMax: 60_000,
  backoffMs: 1,
  backoffMsMax: 4,
};

/** A collector whose answers the test gives. */
class Stage {
  readonly counts = { exported: 0, dropped: 0 };
  readonly batches: (readonly number[])[] = [];
  readonly events: string[] = [];
  readonly queue: SpanQueue<number>;
  abandoned = 0;
  readonly #answers: PromiseWithResolvers<void>[] = [];
  readonly #watch = new Watch();

  constructor(bounds: Partial<SpanQueueBounds> = {}) {
    this.queue = new SpanQueue<number>({
      send: (batch) => {
        this.batches.push(batch);
        const answer = Promise.withResolvers<void>();
        this.#answers.push(answer);
        this.#watch.notify();
        return answer.promise;
      },
      abandon: () => this.abandoned++,
      counts: this.counts,
      onFailing: (error) => this.events.push(`failing: ${error.message}`),
      onRestored: (dropped) => this.events.push(`restored: ${dropped} dropped`),
    }, { ...BOUNDS, ...bounds });
  }

  /** @returns How many were kept. */
  push(count: number): number {
    let kept = 0;
    for (let span = 0; span < count; span++) {
      if (this.queue.refuses()) continue;
      this.queue.push(span);
      kept++;
    }
    return kept;
  }

  async sent(count: number): Promise<void> {
    await this.#watch.until(() => this.batches.length >= count, () => `${count} batches`, PATIENCE_MS);
  }

  take(): void {
    this.#answers.at(-1)!.resolve();
  }

  refuse(): void {
    this.#answers.at(-1)!.reject(new Error("503"));
  }
}

Deno.test("SpanQueue sends what waits after a moment, and full batches at once, one at a time", async () => {
  const stage = new Stage();
  stage.push(1);
  await stage.sent(1);
  stage.push(6);
  assertEquals(stage.batches, [[0]]); // the first has not been taken yet
  stage.take();
  await stage.sent(2);
  stage.take();
  await stage.sent(3);
  stage.take();
  await stage.queue.close(PATIENCE_MS);
  assertEquals(stage.batches.map((batch) => batch.length), [1, 4, 2]);
  assertEquals(stage.counts, { exported: 7, dropped: 0 });
  assertEquals(stage.events, []);
});

Deno.test("SpanQueue keeps no more than its bound while a collector does not answer, and counts the rest", async () => {
  const stage = new Stage();
  assertEquals(stage.push(4), 4);
  await stage.sent(1);
  assertEquals(stage.push(1000), 8);
  assertEquals(stage.counts, { exported: 0, dropped: 992 });
  stage.take();
  await stage.sent(2);
  stage.take();
  await stage.sent(3);
  stage.take();
  await stage.queue.close(PATIENCE_MS);
  assertEquals(stage.counts, { exported: 12, dropped: 992 });
});

Deno.test("SpanQueue drops a batch that is refused, says so once, and goes on later", async () => {
  const stage = new Stage();
  for (let batch = 1; batch <= 4; batch++) {
    stage.push(4);
    await stage.sent(batch);
    stage.refuse();
  }
  stage.push(4);
  await stage.sent(5);
  stage.take();
  await stage.queue.close(PATIENCE_MS);
  assertEquals(stage.counts, { exported: 4, dropped: 16 });
  assertEquals(stage.events, ["failing: 503", "restored: 16 dropped"]);
});

Deno.test("SpanQueue waits before it bothers a collector that has refused", async () => {
  const stage = new Stage({ backoffMs: 60_000, backoffMsMax: 60_000 });
  stage.push(4);
  await stage.sent(1);
  stage.refuse();
  for (let turn = 0; turn < 10; turn++) await undefined;
  assertEquals(stage.push(100), 8);
  assertEquals(stage.batches.length, 1);
  await stage.queue.close(PATIENCE_MS);
  assertEquals(stage.batches.length, 1, "nor at the end");
  assertEquals(stage.counts, { exported: 0, dropped: 104 });
});

Deno.test("SpanQueue abandons a batch that is not answered in time", async () => {
  const stage = new Stage({ sendMsMax: 5 });
  stage.push(1);
  await stage.sent(1);
  stage.push(1);
  await stage.sent(2);
  stage.take();
  await stage.queue.close(PATIENCE_MS);
  assertEquals(stage.counts, { exported: 1, dropped: 1 });
  assertEquals(stage.events, ["failing: no answer within 5 ms", "restored: 1 dropped"]);
});

Deno.test("SpanQueue.close() sends what waits", async () => {
  const stage = new Stage({ flushMs: 60_000 });
  stage.push(3);
  const closed = stage.queue.close(PATIENCE_MS);
  await stage.sent(1);
  stage.take();
  await closed;
  assertEquals(stage.counts, { exported: 3, dropped: 0 });
  assert(stage.queue.refuses());
  assertEquals(stage.counts.dropped, 1);
});

Deno.test("SpanQueue.close() does not wait longer than it is told to", async () => {
  const stage = new Stage({ flushMs: 60_000 });
  stage.push(6); // four are under way, two wait
  await stage.queue.close(5);
  assertEquals(stage.abandoned, 1);
  assertEquals(stage.counts, { exported: 0, dropped: 6 });
});
