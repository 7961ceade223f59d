/**
 * Ids of traces and spans: random, because nobody hands them out, and because a trace is sampled by its id.
 *
 * Drawn from the system and spelled out in blocks, of which ids are slices: no system call for each, no digits put
 * together. A slice keeps its block in memory, so blocks are small.
 */

const BLOCK_BYTES = 1024;
const UNIT_BYTES = 8;

const TRACE_ID_DIGITS = 32;
const SPAN_ID_DIGITS = 16;

export class TraceIds {
  readonly #block: Uint8Array<ArrayBuffer> = new Uint8Array(BLOCK_BYTES);
  #digits = "";
  #at = 0;

  /** 32 digits, never all zero. */
  traceId(): string {
    return this.#take(TRACE_ID_DIGITS);
  }

  /** 16 digits, never all zero. */
  spanId(): string {
    return this.#take(SPAN_ID_DIGITS);
  }

  #take(count: number): string {
    if (this.#at + count > this.#digits.length) this.#refill();
    const id = this.#digits.slice(this.#at, this.#at + count);
    this.#at += count;
    return id;
  }

  #refill(): void {
    const block = crypto.getRandomValues(this.#block);
    for (let at = 0; at < BLOCK_BYTES; at += UNIT_BYTES) if (block[at] === 0) block[at] = 1;
    this.#digits = block.toHex();
    this.#at = 0;
  }
}
