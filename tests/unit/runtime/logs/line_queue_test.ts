/** Lines on their way to a file: all of them and in order, whole, never waited for; dropped and counted when it is too slow. */

import { LineQueue, type LineSink } from "../../../../lib/runtime/logs/line_queue.ts";
import { assert, assertEquals } from "../../../support/assert.ts";

/** Takes what it is given when it is told to. */
class SlowSink implements LineSink {
  readonly pieces: string[] = [];
  isClosed = false;
  #given: PromiseWithResolvers<void> | null = null;
  #waiting: PromiseWithResolvers<void> = Promise.withResolvers();

  async write(bytes: Uint8Array): Promise<void> {
    this.#given = Promise.withResolvers();
    this.#waiting.resolve();
    this.#waiting = Promise.withResolvers();
    await this.#given.promise;
    // What was given must still be there when it is written.
    this.pieces.push(new TextDecoder().decode(bytes));
  }

  /** Until there is something to write. */
  async given(): Promise<void> {
    if (this.#given === null) await this.#waiting.promise;
  }

  take(error?: Error): void {
    const given = this.#given!;
    this.#given = null;
    if (error === undefined) given.resolve();
    else given.reject(error);
  }

  close(): void {
    this.isClosed = true;
  }

  get lines(): string[] {
    return this.pieces.join("").split("\n").slice(0, -1);
  }
}

interface Stage {
  readonly sink: SlowSink;
  readonly queue: LineQueue;
  readonly dropped: number[];
  readonly failures: unknown[];
}

function stageOf(waitingMax: number): Stage {
  const sink = new SlowSink();
  const dropped: number[] = [];
  const failures: unknown[] = [];
  const queue = new LineQueue(sink, {
    waitingMax,
    onDropped: (lines) => dropped.push(lines),
    onFailed: (error) => failures.push(error),
  });
  return { sink, queue, dropped, failures };
}

/** @returns Whether it was kept. */
function push(queue: LineQueue, line: string): boolean {
  if (queue.refuses()) return false;
  queue.out.ascii(line + "\n");
  queue.wrote();
  return true;
}

const LINE = "x".repeat(99);
const BOUND = 512 * 1024;

Deno.test("LineQueue writes lines a moment after they came, together, and those that come meanwhile next", async () => {
  const { sink, queue } = stageOf(1 << 20);
  push(queue, "a");
  push(queue, "b");
  await sink.given();
  push(queue, "c");
  assertEquals(sink.pieces, []);
  sink.take();
  await sink.given();
  push(queue, "d");
  sink.take();
  await sink.given();
  sink.take();
  await queue.end();
  assertEquals([sink.pieces, sink.isClosed], [["a\nb\n", "c\n", "d\n"], true]);
});

Deno.test("LineQueue writes without waiting when much has come", async () => {
  const { sink, queue } = stageOf(1 << 20);
  let count = 0;
  while (count < 2000) push(queue, `${LINE}${count++}`);
  await sink.given(); // no timer has run
  sink.take();
  const ended = queue.end();
  await sink.given();
  sink.take();
  await ended;
  assertEquals(sink.lines, Array.from({ length: 2000 }, (_, index) => `${LINE}${index}`));
});

Deno.test("LineQueue drops lines and counts them when nobody takes them, keeps its bound, and goes on afterwards", async () => {
  const { sink, queue, dropped } = stageOf(BOUND);
  let kept = 0;
  while (push(queue, LINE)) kept++;
  assert(kept * 100 > BOUND && kept * 100 < BOUND + 200, `${kept} lines`);
  for (let count = 0; count < 9; count++) assertEquals(push(queue, "lost"), false);
  await sink.given();
  sink.take();
  await sink.given();
  assertEquals(dropped, [10]);
  assert(push(queue, "back"));
  sink.take();
  const ended = queue.end();
  await sink.given();
  sink.take();
  await ended;
  assertEquals([sink.lines.length, sink.lines.at(-1), dropped], [kept + 1, "back", [10]]);
});

Deno.test("LineQueue.end() writes what waits, also what came while it was written", async () => {
  const { sink, queue } = stageOf(1 << 20);
  push(queue, "a");
  const ended = queue.end();
  await sink.given();
  push(queue, "b");
  sink.take();
  await sink.given();
  sink.take();
  await ended;
  assertEquals([sink.lines, sink.isClosed], [["a", "b"], true]);
});

Deno.test("LineQueue gives up a sink that fails, once, and refuses from then on", async () => {
  const { sink, queue, failures } = stageOf(1 << 20);
  push(queue, "a");
  await sink.given();
  push(queue, "b");
  const error = new Error("disk full");
  sink.take(error);
  while (failures.length === 0) await Promise.resolve();
  assertEquals([failures, sink.isClosed, push(queue, "c")], [[error], true, false]);
  await queue.end();
  assertEquals(sink.pieces, []);
});
