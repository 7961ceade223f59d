/**
 * Ids of traces and spans: random, because nobody hands them out, and a trace is sampled by its id. Drawn from the
 * system in blocks, which makes one cost a few look-ups instead of a system call.
 */

/** Some hundred ids; the system gives at most 64 KiB at once. */
const BLOCK_BYTES = 4096;

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export class TraceIds {
  readonly #block: Uint8Array<ArrayBuffer> = new Uint8Array(BLOCK_BYTES);
  #at = BLOCK_BYTES;

  /** 32 digits, never all zero. */
  traceId(): string {
    const at = this.#take(TRACE_ID_BYTES);
    return this.#hex(at) + this.#hex(at + 8);
  }

  /** 16 digits, never all zero. */
  spanId(): string {
    return this.#hex(this.#take(SPAN_ID_BYTES));
  }

  /** @returns Where that many fresh bytes begin. The first is never zero, because all zero is no id. */
  #take(count: number): number {
    if (this.#at + count > BLOCK_BYTES) {
      crypto.getRandomValues(this.#block);
      this.#at = 0;
    }
    const at = this.#at;
    this.#at += count;
    if (this.#block[at] === 0) this.#block[at] = 1;
    return at;
  }

  #hex(at: number): string {
    const block = this.#block;
    return HEX[block[at]] + HEX[block[at + 1]] + HEX[block[at + 2]] + HEX[block[at + 3]] +
      HEX[block[at + 4]] + HEX[block[at + 5]] + HEX[block[at + 6]] + HEX[block[at + 7]];
  }
}
