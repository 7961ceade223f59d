/**
 * Parts of log lines that were written before, found again by what they were made of. One slot a hash: what collides takes
 * the slot, so it can neither grow nor slow.
 */

import type { ByteWriter } from "../base/byte_writer.ts";

const SLOTS = 64;
/** Longer ones are seldom the same. */
const BYTES_MAX = 512;
const NO_BYTES = new Uint8Array(0);

/** Four texts and a number. */
export type PartKey = readonly [string, string, string, string, number];

export class Part {
  /** To be copied as they are. */
  bytes: Uint8Array = NO_BYTES;
  #a = "";
  #b = "";
  #c = "";
  #d = "";
  /** -1: nothing was learned. */
  #number = -1;

  /** Strings that are the same object, as those of a configuration and of a connection are, compare at once. */
  isOf(a: string, b: string, c: string, d: string, number: number): boolean {
    return this.#number === number && this.#a === a && this.#b === b && this.#c === c && this.#d === d;
  }

  /** What was written from `start` on is the part for `key`, whose number is 0 or more. */
  learn(out: ByteWriter, start: number, [a, b, c, d, number]: PartKey): void {
    if (out.length - start > BYTES_MAX) return;
    this.bytes = out.view().slice(start);
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
    this.#number = number;
  }
}

export class PartMemo {
  readonly #parts: readonly Part[] = Array.from({ length: SLOTS }, () => new Part());

  slot(number: number): Part {
    return this.#parts[number & (SLOTS - 1)];
  }

  /** By length and end, where names differ mostly. */
  at(text: string, other: string): Part {
    const { length } = text;
    const last = length === 0 ? 0 : text.charCodeAt(length - 1);
    return this.slot(length + 7 * last + other.length);
  }
}
