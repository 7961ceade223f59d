/**
 * The head of one message, decoded in place: offsets into the buffer it arrived in, and no string until one is asked for.
 *
 * A head is one object, reused for many messages. Field i is four numbers in `offsets`, which point into
 * `fieldBytes`; its whole line is `[nameStart(i), nameStart(i + 1))`, that of the last field ends at `fieldsEnd`, so that
 * runs of fields that stay can be copied at once. Field lines are contiguous, and `end` is behind the empty line.
 */

import { FIELD_NAMES, fieldIdOfBytes } from "../base/field_names.ts";
import type { FieldBlock, FieldMemory } from "./field_memory.ts";
import { latin1 } from "./grammar.ts";

export interface HeadBounds {
  /** Start line, fields and the empty line, in all; bytes. */
  readonly bytesMax: number;
  readonly fieldsMax: number;
  /** Ignored for responses. */
  readonly targetBytesMax: number;
}

/** How far decoding has come. */
export const HeadPhase = { begin: 0, start_line: 1, fields: 2, done: 3 } as const;

const FIELDS_INITIAL = 32;
const NO_BYTES = new Uint8Array(0);

/** Written by the decoders of this folder, read by everybody else. Views are valid until the buffer is reused. */
export class Head {
  bytes: Uint8Array;
  /** First byte of the start line. */
  start: number;
  /** Behind the empty line. */
  end: number;
  /** 0 or 1. */
  minorVersion: number;
  /** The method of a request, as sent: methods are case-sensitive. "" for a response. */
  method: string;
  targetStart: number;
  targetEnd: number;
  /** The status of a response, 100 to 599; 0 for a request. */
  status: number;
  reasonStart: number;
  reasonEnd: number;
  count: number;
  /** Where the fields are: `bytes`, or those of `block`. */
  fieldBytes: Uint8Array;
  /** Behind the last field, where the empty line begins. */
  fieldsEnd: number;
  /** nameStart, nameEnd, valueStart, valueEnd per field; values without the whitespace around them. */
  offsets: Int32Array;
  /** One `FieldId` per field. */
  ids: Uint8Array;
  /** The memory of the connection that the head comes by; null: nothing is remembered. The owner sets it. */
  memory: FieldMemory | null;
  /** The fields, where they were recalled from `memory`. */
  block: FieldBlock | null;
  /** For fields that are decoded here. */
  #ownOffsets: Int32Array;
  #ownIds: Uint8Array;

  /** Bit `id % 32` is set when a field with this id is there: most questions are about fields that are not. */
  presentLow: number;
  presentHigh: number;

  /** For decoders: one of `HeadPhase`. */
  phase: number;
  /** Where the caller's bytes began at the last call, which `start` and all offsets count from. */
  base: number;
  /** For decoders: the line not yet complete, relative to `base`. */
  lineAt: number;
  /** For decoders: no control byte between `lineAt` and here, relative to `base`. */
  seenAt: number;
  /** For decoders: the first field, relative to `base`. */
  fieldsAt: number;

  constructor() {
    this.bytes = NO_BYTES;
    this.start = 0;
    this.end = 0;
    this.minorVersion = 1;
    this.method = "";
    this.targetStart = 0;
    this.targetEnd = 0;
    this.status = 0;
    this.reasonStart = 0;
    this.reasonEnd = 0;
    this.count = 0;
    this.fieldBytes = NO_BYTES;
    this.fieldsEnd = 0;
    this.offsets = this.#ownOffsets = new Int32Array(FIELDS_INITIAL * 4);
    this.ids = this.#ownIds = new Uint8Array(FIELDS_INITIAL);
    this.memory = null;
    this.block = null;
    this.presentLow = 0;
    this.presentHigh = 0;
    this.phase = HeadPhase.begin;
    this.base = 0;
    this.lineAt = 0;
    this.seenAt = 0;
    this.fieldsAt = 0;
  }

  /** Before a new message: forgets all fields and how far decoding had come. Needed after an error, too. */
  reset(): void {
    this.bytes = NO_BYTES;
    this.start = 0;
    this.end = 0;
    this.minorVersion = 1;
    this.method = "";
    this.targetStart = 0;
    this.targetEnd = 0;
    this.status = 0;
    this.reasonStart = 0;
    this.reasonEnd = 0;
    this.count = 0;
    this.presentLow = 0;
    this.presentHigh = 0;
    this.phase = HeadPhase.begin;
    this.base = 0;
    this.lineAt = 0;
    this.seenAt = 0;
    this.fieldsAt = 0;
    this.fieldBytes = NO_BYTES;
    this.fieldsEnd = 0;
    if (this.block === null) return;
    this.block = null;
    this.offsets = this.#ownOffsets;
    this.ids = this.#ownIds;
  }

  /** The name of field `i` as sent. */
  name(i: number): string {
    return latin1(this.fieldBytes, this.offsets[4 * i], this.offsets[4 * i + 1]);
  }

  lowerName(i: number): string {
    return FIELD_NAMES[this.ids[i]] || this.name(i).toLowerCase();
  }

  /** The value of field `i`, one character per byte. */
  value(i: number): string {
    return latin1(this.fieldBytes, this.offsets[4 * i + 2], this.offsets[4 * i + 3]);
  }

  /** @returns The first field with this id at or after `from`; -1 when there is none. */
  find(id: number, from: number = 0): number {
    if (((id < 32 ? this.presentLow : this.presentHigh) & 1 << id) === 0) return -1; // a shift counts modulo 32
    for (let i = from; i < this.count; i++) {
      if (this.ids[i] === id) return i;
    }
    return -1;
  }

  has(id: number): boolean {
    return this.find(id) !== -1;
  }

  /**
   * All lines of a field joined with ", " (RFC 9110 §5.3); null when there is none. Not for Set-Cookie, whose lines
   * can't be joined.
   */
  get(id: number): string | null {
    let i = this.find(id);
    if (i === -1) return null;
    let text = this.value(i);
    while ((i = this.find(id, i + 1)) !== -1) text += ", " + this.value(i);
    return text;
  }

  /** For decoders: appends a field. @param isSeparated As of `fieldIdOfBytes()`. */
  push(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, isSeparated: boolean): void {
    const i = this.count;
    if (i === this.ids.length) this.#grow();
    const offsets = this.offsets;
    offsets[4 * i] = nameStart;
    offsets[4 * i + 1] = nameEnd;
    offsets[4 * i + 2] = valueStart;
    offsets[4 * i + 3] = valueEnd;
    const id = this.ids[i] = fieldIdOfBytes(this.bytes, nameStart, nameEnd, isSeparated);
    if (id < 32) this.presentLow |= 1 << id;
    else this.presentHigh |= 1 << id;
    this.count = i + 1;
  }

  /**
   * For decoders: takes the fields at `at` from the connection's memory if they are those that came before.
   *
   * @returns Where they end, behind the empty line; -1 when they have to be decoded.
   */
  recall(at: number, limit: number, fieldsMax: number): number {
    // What fields mean depends on the version here and there, and what is noted with a block is for HTTP/1.1 alone.
    if (this.memory === null || this.minorVersion !== 1) return -1;
    const block = this.memory.recall(this.bytes, at, limit);
    if (block === null || block.count > fieldsMax) return -1;
    this.block = block;
    this.fieldBytes = block.bytes;
    this.offsets = block.offsets;
    this.ids = block.ids;
    this.count = block.count;
    this.presentLow = block.presentLow;
    this.presentHigh = block.presentHigh;
    this.phase = HeadPhase.done;
    return at + block.bytes.length;
  }

  /** For decoders: all of it was decoded, and ends before `end`. */
  complete(end: number): void {
    this.end = end;
    if (this.block !== null) {
      this.fieldsEnd = this.block.bytes.length - 2;
      return;
    }
    this.fieldsEnd = end - 2;
    if (this.memory !== null && this.count > 0) {
      this.memory.learn(this, this.base + this.fieldsAt);
    }
  }

  /** The bytes decoded so far are now at `start` of `bytes`. */
  rebase(bytes: Uint8Array, start: number): void {
    this.bytes = bytes;
    if (this.block === null) this.fieldBytes = bytes;
    const shift = start - this.base;
    if (shift === 0) return;
    this.base = start;
    this.start += shift;
    this.end += shift;
    this.targetStart += shift;
    this.targetEnd += shift;
    this.reasonStart += shift;
    this.reasonEnd += shift;
    if (this.block !== null) return;
    this.fieldsEnd += shift;
    for (let i = 0; i < this.count * 4; i++) this.offsets[i] += shift;
  }

  #grow(): void {
    const offsets = new Int32Array(this.offsets.length * 2);
    offsets.set(this.offsets);
    this.offsets = this.#ownOffsets = offsets;
    const ids = new Uint8Array(this.ids.length * 2);
    ids.set(this.ids);
    this.ids = this.#ownIds = ids;
  }
}
