/**
 * What a request body is read into, beyond the connection's own buffer. A piece lies where it was read, and is its reader's
 * until that says that it needs it no more; then the next piece is read there. A new buffer for each would cost the kernel a
 * page fault for every 4 KiB, and the garbage collector as much again: three quarters of an upload.
 *
 * A client that has filled one gets a larger one, as bodies of responses do: what costs is the number of reads and writes.
 */

import { BODY_BUFFER_BYTES, bodyBuffers } from "../../../transport/body_buffers.ts";

type Buffer = Uint8Array<ArrayBuffer>;

/** The first ones, and those of a client that does not fill them; they are not lent, and nobody counts them. */
export const PIECE_BYTES = 64 * 1024;

export class PieceBuffers {
  /** Read into, or with a piece that is its reader's. */
  readonly #inUse: Buffer[] = [];
  #spare: Buffer | null = null;
  /** Length of the one that the last read has filled; 0: it has not. */
  #filledBytes = 0;
  #isEnded = true;

  /** @param missing Bytes that are still to come; -1 where that is not known. @returns One for the next read. */
  take(missing: number): Buffer {
    if (this.#isEnded) this.#writeOff(); // whoever has a piece of the body before keeps it
    this.#isEnded = false;
    const buffer = this.#next(missing);
    this.#inUse.push(buffer);
    return buffer;
  }

  /** @param count What was read into the one that was taken last. */
  took(buffer: Buffer, count: number): void {
    this.#filledBytes = count === buffer.length ? count : 0;
  }

  /** The piece is not needed any more: nobody reads it, and no write of it is under way. */
  reuse(piece: Uint8Array): void {
    const index = this.#inUse.findIndex(({ buffer }) => buffer === piece.buffer);
    if (index < 0) return; // another's, or of a body before
    const [buffer] = this.#inUse.splice(index, 1);
    if (this.#isEnded || this.#spare !== null) takeBack(buffer);
    else this.#spare = buffer;
  }

  /** The body has come to its end; pieces of it may still be in use. Those that are not lent are left to whoever has them. */
  end(): void {
    this.#isEnded = true;
    for (let index = this.#inUse.length - 1; index >= 0; index--) {
      if (!isLent(this.#inUse[index])) this.#inUse.splice(index, 1);
    }
    this.#filledBytes = 0;
    if (this.#spare !== null) takeBack(this.#spare);
    this.#spare = null;
  }

  /** The client is gone. */
  close(): void {
    this.end();
    this.#writeOff();
  }

  #next(missing: number): Buffer {
    const { medium, large } = BODY_BUFFER_BYTES;
    const spare = this.#spare;
    this.#spare = null;
    const isLarge = missing < 0 ? this.#filledBytes >= medium : missing > medium;
    const wantedBytes = isLarge ? large : medium;
    const isFine = this.#filledBytes === 0 || (missing >= 0 && missing <= PIECE_BYTES);
    if (isFine || (spare !== null && spare.length >= wantedBytes)) return spare ?? new Uint8Array(PIECE_BYTES);
    if (spare !== null) takeBack(spare);
    return bodyBuffers.lend(isLarge ? "large" : "medium");
  }

  #writeOff(): void {
    for (const buffer of this.#inUse.splice(0)) if (isLent(buffer)) bodyBuffers.writeOff(buffer);
  }
}

function isLent(buffer: Buffer): boolean {
  return buffer.length > PIECE_BYTES;
}

function takeBack(buffer: Buffer): void {
  if (isLent(buffer)) bodyBuffers.takeBack(buffer);
}
