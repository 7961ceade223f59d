/**
 * The fields that came last on a connection, decoded, for when the same bytes come again.
 *
 * Who sends many messages on one connection says most things each time: a client its `Host`, `User-Agent` and `Cookie`,
 * a backend its `Server` and `Content-Type`, and within a second even its `Date`. Comparing is cheaper than decoding,
 * and whatever was derived from the fields (framing, which of them go on) holds as it did. The start line is not part
 * of it. Bytes that are the same have the same meaning, so what is recalled can't differ from what decoding would give.
 *
 * bench/micro/http1_bench.ts: a browser's head (664 bytes) 1.1 µs, with fields as before 0.3, with fields that look alike and
 * never come again 1.2; a backend's head with its framing 0.55 and 0.13.
 */

import { takesFastPath } from "../base/fast_path.ts";
import type { Framing } from "./body_kind.ts";

/** What is learned from: a decoded head is such. */
export interface DecodedFields {
  readonly bytes: Uint8Array;
  /** Behind the empty line. */
  readonly end: number;
  /** Four numbers a field; see `Head.offsets`. */
  readonly offsets: Int32Array;
  readonly ids: Uint8Array;
  readonly count: number;
  readonly presentLow: number;
  readonly presentHigh: number;
}

/** Longer ones are seldom the same, and would be kept for as long as a connection is open. */
const BLOCK_BYTES_MAX = 2048;
/** To learn costs as much as these save. */
const WORTH_USES = 4;
/** So many words of them tell whether fields are likely to be those before. */
const MARKED_WORDS = 32;
/** Messages for which nothing is learned, after what was learned has been of no use again and again. */
const REST_MAX = 1024;

/** The fields of one head. They never change; what is made of them is noted with them by who makes it. */
export class FieldBlock {
  /** From the first field to behind the empty line; `offsets` point into it, as those of a `Head`. */
  readonly bytes: Uint8Array;
  readonly offsets: Int32Array;
  readonly ids: Uint8Array;
  readonly count: number;
  readonly presentLow: number;
  readonly presentHigh: number;
  /** A view of `bytes`. */
  readonly view: DataView;

  // Derived by framing.ts; undefined: nothing so far.
  isPersistent: boolean | undefined = undefined;
  framing: Framing | null | undefined = undefined;
  /** What somebody else derived from them, and who; see `Derivation`. */
  derived: unknown = null;
  derivedBy: Derivation<unknown> | null = null;
  /** What the access log makes of them; see access_line.ts. */
  logged: Uint8Array | null = null;
  /** The lines that were left when those with some ids were left out, and the table of these ids; see copy_fields.ts. */
  kept: Uint8Array | null = null;
  keptWithout: Uint8Array | null = null;

  /** @param from Where the first field begins in the head's bytes. */
  constructor(head: DecodedFields, from: number) {
    this.bytes = head.bytes.slice(from, head.end);
    this.count = head.count;
    this.presentLow = head.presentLow;
    this.presentHigh = head.presentHigh;
    this.ids = head.ids.slice(0, head.count);
    this.offsets = head.offsets.slice(0, 4 * head.count);
    for (let i = 0; i < this.offsets.length; i++) this.offsets[i] -= from;
    this.view = new DataView(this.bytes.buffer);
  }
}

/**
 * What one owner derives from the fields of a head and finds again when they come again, typed by itself. A block keeps
 * what was derived last, so the heads of one connection have one owner.
 */
export class Derivation<T> {
  /** @returns Null where nothing was noted, or by somebody else. */
  of(block: FieldBlock | null): T | null {
    return block !== null && block.derivedBy === this ? block.derived as T : null;
  }

  note(block: FieldBlock | null, derived: T): void {
    if (block === null) return;
    block.derived = derived;
    block.derivedBy = this;
  }
}

export class FieldMemory {
  #block: FieldBlock | null = null;
  /** How often `#block` was recalled. */
  #uses = 0;
  /** The mark of the head before, if that was not recalled; else 0. */
  #lastMark = 0;
  /** Messages to go until something is learned, and how many it will be the next time it was in vain. */
  #rest = 0;
  #nextRest = 1;
  readonly #bufferBytesMax: number;
  /** The one looked into last, if it is one that the connection keeps. */
  #buffer: Uint8Array | null = null;
  #view: DataView | null = null;

  /** @param bufferBytesMax Bytes of the largest buffer that the connection keeps between messages. */
  constructor(bufferBytesMax: number) {
    this.#bufferBytesMax = bufferBytesMax;
  }

  /** Bytes of a buffer that it keeps alive; for tests. */
  get heldBytes(): number {
    return this.#buffer === null ? 0 : this.#buffer.length;
  }

  /**
   * @param at Where fields begin.
   * @param limit Nothing is read from here on.
   * @returns The block that stands there whole; null: another one, or less.
   */
  recall(bytes: Uint8Array, at: number, limit: number): FieldBlock | null {
    const block = this.#block;
    if (block === null || limit - at < block.bytes.length || !this.#isAt(block, bytes, at) || !takesFastPath()) {
      return null;
    }
    this.#uses++;
    this.#lastMark = 0;
    return block;
  }

  /**
   * Told of a head that was not recalled. Learns what has come twice in a row, as far as a glance tells, because to learn
   * costs more than to decode. Where the glance is wrong (a counter, a small change) it is tried less and less.
   *
   * @param from Where its fields begin.
   */
  learn(head: DecodedFields, from: number): void {
    const length = head.end - from;
    if (this.#rest > 0) {
      this.#rest--;
      return;
    }
    if (length > BLOCK_BYTES_MAX || !takesFastPath()) return;
    const mark = this.#markOf(head.bytes, from, length);
    const isRepeated = mark === this.#lastMark;
    this.#lastMark = mark;
    if (!isRepeated) return;
    if (this.#uses >= WORTH_USES || this.#block === null) this.#nextRest = 1;
    else this.#rest = this.#nextRest = Math.min(2 * this.#nextRest, REST_MAX);
    this.#block = new FieldBlock(head, from);
    this.#uses = 0;
  }

  /** Four bytes at a time, which is four times as fast. */
  #isAt({ bytes: own, view: ownView }: FieldBlock, bytes: Uint8Array, at: number): boolean {
    const view = this.#viewOf(bytes);
    let i = 0;
    for (; i + 4 <= own.length; i += 4) if (view.getInt32(at + i, true) !== ownView.getInt32(i, true)) return false;
    for (; i < own.length; i++) if (bytes[at + i] !== own[i]) return false;
    return true;
  }

  /** Made of the length and some of the bytes. */
  #markOf(bytes: Uint8Array, from: number, length: number): number {
    const view = this.#viewOf(bytes);
    const step = 4 * (1 + Math.floor(length / (4 * MARKED_WORDS)));
    let mark = length;
    for (let at = from + length - 4; at >= from; at -= step) mark = (Math.imul(mark, 31) + view.getInt32(at, true)) | 0;
    return mark;
  }

  /** The view of the buffer that a connection reads into, which is the same for long. */
  #viewOf(bytes: Uint8Array): DataView {
    if (bytes === this.#buffer) return this.#view!;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const isKept = bytes.length <= this.#bufferBytesMax;
    this.#buffer = isKept ? bytes : null;
    this.#view = isKept ? view : null;
    return view;
  }
}
