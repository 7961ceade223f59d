/**
 * Finished spans on their way to a collector: collected, and sent in batches in the background. `push` never waits.
 *
 * The SDK's own batch processor was not taken because it tells nobody what it drops, sends on at full rate to a collector
 * that is down, and waits half a minute for one that hangs. Here what waits is bounded, one batch is under way at a time,
 * a batch that was refused is dropped and counted, and after each refusal in a row the wait before the next doubles.
 */

/** Shared by the queues of one thread, one after another. */
export interface SpanCounts {
  exported: number;
  dropped: number;
}

export interface SpanQueueBounds {
  /** The most spans that wait. */
  readonly waitingMax: number;
  readonly batchMax: number;
  /** How long a span may wait for others to go with. */
  readonly flushMs: number;
  /** For a batch, the collector's answer included. */
  readonly sendMsMax: number;
  /** After a refusal: the first wait, the longest. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
}

export interface SpanQueueParts<Span> {
  /** Rejects when the batch was not taken. */
  readonly send: (batch: readonly Span[]) => Promise<void>;
  /** Ends the sending that is under way. */
  readonly abandon: () => void;
  readonly counts: SpanCounts;
  /** Told once when batches begin to fail, and once when they are taken again. */
  readonly onFailing: (error: Error) => void;
  readonly onRestored: (dropped: number) => void;
}

export class SpanQueue<Span> {
  readonly #bounds: SpanQueueBounds;
  readonly #parts: SpanQueueParts<Span>;
  #waiting: Span[] = [];
  /** Failures in a row. */
  #failures = 0;
  #droppedBefore = 0;
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #sending: Promise<void> | null = null;
  /** While a batch is under way. */
  #giveUp: ((error: Error) => void) | null = null;

  constructor(parts: SpanQueueParts<Span>, bounds: SpanQueueBounds) {
    this.#parts = parts;
    this.#bounds = bounds;
  }

  /** Whether a span that is made now will not be kept; counts it as dropped then. */
  refuses(): boolean {
    if (!this.#isClosed && this.#waiting.length < this.#bounds.waitingMax) return false;
    this.#parts.counts.dropped++;
    return true;
  }

  /** After `refuses()` has said no. */
  push(span: Span): void {
    this.#waiting.push(span);
    if (this.#sending !== null || this.#failures > 0) return;
    if (this.#waiting.length >= this.#bounds.batchMax) this.#start();
    else this.#schedule(this.#bounds.flushMs);
  }

  /** Takes no more, and sends what waits for at most `ms`. What is left then, or after the first refusal, is dropped. */
  async close(ms: number): Promise<void> {
    this.#isClosed = true;
    this.#clearTimer();
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, ms);
    const drained = this.#drain();
    await Promise.race([drained, patience.promise]);
    clearTimeout(timer);
    this.#dropWaiting();
    this.#giveUp?.(new Error("no answer before the end"));
    this.#parts.abandon();
    await drained;
  }

  async #drain(): Promise<void> {
    await this.#sending;
    while (this.#waiting.length > 0 && this.#failures === 0) await this.#sendOne();
  }

  #dropWaiting(): void {
    this.#parts.counts.dropped += this.#waiting.length;
    this.#waiting = [];
  }

  #schedule(ms: number): void {
    if (this.#isClosed) return;
    this.#timer ??= setTimeout(() => this.#start(), ms);
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #start(): void {
    this.#clearTimer();
    if (this.#sending !== null || this.#waiting.length === 0) return;
    this.#sending = this.#sendOne().finally(() => {
      this.#sending = null;
      this.#continue();
    });
  }

  #continue(): void {
    const { batchMax, flushMs, backoffMs, backoffMsMax } = this.#bounds;
    if (this.#isClosed) return;
    if (this.#failures > 0) this.#schedule(Math.min(backoffMs * 2 ** (this.#failures - 1), backoffMsMax));
    else if (this.#waiting.length >= batchMax) this.#start();
    else if (this.#waiting.length > 0) this.#schedule(flushMs);
  }

  /** Never rejects. */
  async #sendOne(): Promise<void> {
    const { counts, onFailing, onRestored } = this.#parts;
    const batch = this.#waiting.splice(0, this.#bounds.batchMax);
    try {
      await this.#sent(batch);
      counts.exported += batch.length;
      if (this.#failures > 0) onRestored(counts.dropped - this.#droppedBefore);
      this.#failures = 0;
    } catch (error) {
      if (this.#failures === 0) {
        this.#droppedBefore = counts.dropped;
        onFailing(error as Error);
      }
      counts.dropped += batch.length;
      this.#failures++;
    }
  }

  /** @throws {Error} when the batch is not known to have arrived. */
  async #sent(batch: readonly Span[]): Promise<void> {
    const { sendMsMax } = this.#bounds;
    const patience = Promise.withResolvers<never>();
    this.#giveUp = patience.reject;
    const timer = setTimeout(() => {
      patience.reject(new Error(`no answer within ${sendMsMax} ms`));
      this.#parts.abandon();
    }, sendMsMax);
    try {
      await Promise.race([this.#parts.send(batch), patience.promise]);
    } finally {
      clearTimeout(timer);
      this.#giveUp = null;
    }
  }
}
