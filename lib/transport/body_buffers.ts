/**
 * The buffers that large bodies are read into, lent for as long as a body lasts.
 *
 * What a body costs is the kernel's copying and, for each read and each write, its bookkeeping; so reads are large. A
 * client that is slow keeps its buffer for long, and there may be thousands of them: only so many are lent at a time, who
 * comes later reads in smaller pieces.
 */

/**
 * bench/load, get-100m, CPU per MiB in relation to nginx: reads of 64 KiB 1.75, 128 KiB 1.82, 256 KiB 1.31, 512 KiB 1.18,
 * 1 MiB 1.11; for bodies of 1 MiB (get-1m) 512 KiB 0.69, 1 MiB 0.94.
 */
export const BODY_BUFFER_BYTES = 512 * 1024;
/** 32 MiB for each thread. */
const LENT_MAX = 64;
/** Kept for the next ones: a new buffer costs the kernel 128 pages to clear. */
const SPARE_MAX = 8;

export class BodyBuffers {
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];
  #lent = 0;

  get lentCount(): number {
    return this.#lent;
  }

  /** @returns Null when too many are out. */
  lend(): Uint8Array<ArrayBuffer> | null {
    if (this.#lent >= LENT_MAX) return null;
    this.#lent++;
    return this.#spare.pop() ?? new Uint8Array(BODY_BUFFER_BYTES);
  }

  /** @param buffer Nobody reads from it or writes to it any more: no view of it, and no read or write under way. */
  takeBack(buffer: Uint8Array<ArrayBuffer>): void {
    this.#lent--;
    if (this.#spare.length < SPARE_MAX) this.#spare.push(buffer);
  }

  /** One will not come back: a response broke off, and its bytes may still be on their way in or out. */
  writeOff(): void {
    this.#lent--;
  }
}

/** Of this thread. */
export const bodyBuffers = new BodyBuffers();
