/**
 * The buffers that bodies are read into which are too large for a connection's own, lent for as long as a body lasts.
 *
 * What a large body costs is the kernel's copying and, for each read and each write, its bookkeeping; so reads are large. A
 * client that is slow keeps its buffer for long, and there may be thousands of them: only so many of the large ones are
 * lent at a time, who comes later reads in smaller pieces.
 */

import { takesFastPath } from "../base/fast_path.ts";

/**
 * Bytes. A body of known length gets the one that it needs, one of unknown length the next larger one when it filled its
 * last.
 *
 * bench/load, get-100m, CPU per MiB in relation to nginx: reads of 64 KiB 1.75, 128 KiB 1.82, 256 KiB 1.31, 512 KiB 1.18,
 * 1 MiB 1.11; for bodies of 1 MiB (get-1m) 512 KiB 0.69, 1 MiB 0.94.
 */
export const BODY_BUFFER_BYTES = { medium: 128 * 1024, large: 512 * 1024 } as const;
export type BodyBufferSize = keyof typeof BODY_BUFFER_BYTES;

/** 32 MiB for each thread. */
const LARGE_LENT_MAX = 64;
/** Kept for the next ones, 8 MiB in all: a new buffer costs the kernel a page fault for every 4 KiB. */
const FREE_MAX: Readonly<Record<BodyBufferSize, number>> = { medium: 32, large: 8 };

export class BodyBuffers {
  readonly #free: Readonly<Record<BodyBufferSize, Uint8Array<ArrayBuffer>[]>> = { medium: [], large: [] };
  #largeLent = 0;

  get largeLent(): number {
    return this.#largeLent;
  }

  /** @returns A smaller one than asked for when too many of those are out. */
  lend(size: BodyBufferSize): Uint8Array<ArrayBuffer> {
    if (!takesFastPath()) return new Uint8Array(BODY_BUFFER_BYTES.medium);
    const given = size === "large" && this.#largeLent >= LARGE_LENT_MAX ? "medium" : size;
    if (given === "large") this.#largeLent++;
    return this.#free[given].pop() ?? new Uint8Array(BODY_BUFFER_BYTES[given]);
  }

  /** @param buffer Nobody reads from it or writes to it any more: no view of it, and no read or write under way. */
  takeBack(buffer: Uint8Array<ArrayBuffer>): void {
    const size = sizeOf(buffer);
    if (size === "large") this.#largeLent--;
    if (takesFastPath() && this.#free[size].length < FREE_MAX[size]) this.#free[size].push(buffer);
  }

  /** It will not come back: a response broke off, and its bytes may still be on their way in or out; or it was given away. */
  writeOff(buffer: Uint8Array<ArrayBuffer>): void {
    if (sizeOf(buffer) === "large") this.#largeLent--;
  }
}

function sizeOf(buffer: Uint8Array): BodyBufferSize {
  return buffer.length === BODY_BUFFER_BYTES.large ? "large" : "medium";
}

/** The buffers of this thread. */
export const bodyBuffers = new BodyBuffers();
