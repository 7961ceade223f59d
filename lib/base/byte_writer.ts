/**
 * A growable output buffer that is kept and reused, so that a message head costs one write and no garbage.
 *
 * Nothing here can split a message: `latin1()` and `field()` take text from outside and never write CR, LF or NUL;
 * only `ascii()` and `bytes()`, whose callers vouch for what they pass, can end a line.
 */

const CAPACITY_DEFAULT = 4096;
/** A buffer that one huge message has grown beyond this, bytes, is let go at the next `reset()`. */
const CAPACITY_KEPT_MAX = 64 * 1024;
/** Up to this many bytes a loop is cheaper than the view that `set()` needs. */
const SHORT_COPY_BYTES_MAX = 32;

/** Views kept for messages of lengths that come again; a power of two. */
const VIEWS = 64;
const NO_VIEW = new Uint8Array(0);

const encoder = new TextEncoder();

/** For `append()`. @param text Every char code below 0x80. */
export function asciiBytes(text: string): Uint8Array {
  return encoder.encode(text);
}

const SMALL_MAX = 0x7fff_ffff;
const CR = 0x0d;
const LF = 0x0a;
const QUESTION_MARK = 0x3f;

export class ByteWriter {
  #bytes: Uint8Array;
  #length: number;
  readonly #capacity: number;
  /** Views of `#bytes`, by their length modulo `VIEWS`. */
  readonly #views: Uint8Array[] = new Array(VIEWS).fill(NO_VIEW);

  /** @param capacity Bytes to begin with; 1 or more. */
  constructor(capacity: number = CAPACITY_DEFAULT) {
    this.#bytes = new Uint8Array(capacity);
    this.#length = 0;
    this.#capacity = capacity;
  }

  /** Bytes written since the last `reset()`. */
  get length(): number {
    return this.#length;
  }

  reset(): void {
    this.#length = 0;
    if (this.#bytes.length > Math.max(CAPACITY_KEPT_MAX, this.#capacity)) {
      this.#use(new Uint8Array(this.#capacity));
    }
  }

  /** Forgets what was written behind the first `length` bytes. */
  truncate(length: number): void {
    if (length < this.#length) this.#length = length;
  }

  /** Text of our own, CR and LF included. Every char code must be below 0x80. */
  ascii(text: string): void {
    const count = text.length;
    const bytes = this.#reserve(count);
    const at = this.#length;
    for (let i = 0; i < count; i++) bytes[at + i] = text.charCodeAt(i);
    this.#length = at + count;
  }

  /** Text from outside, one byte a character. CR, LF, NUL and codes above 0xff become "?". */
  latin1(text: string): void {
    const count = text.length;
    const bytes = this.#reserve(count);
    const at = this.#length;
    for (let i = 0; i < count; i++) {
      const code = text.charCodeAt(i);
      bytes[at + i] = code > 0xff || code === CR || code === LF || code === 0 ? QUESTION_MARK : code;
    }
    this.#length = at + count;
  }

  /**
   * Writes characters of `text` from `from` on for as long as `plain` has a 1 for them.
   *
   * @param plain 256 entries, by character code. @returns The first that was not written; the length when all were.
   */
  plainText(text: string, from: number, plain: Uint8Array): number {
    const end = text.length;
    const bytes = this.#reserve(end - from);
    const shift = this.#length - from;
    let at = from;
    for (; at < end; at++) {
      const code = text.charCodeAt(at);
      if (code > 0xff || plain[code] !== 1) break;
      bytes[at + shift] = code;
    }
    this.#length = at + shift;
    return at;
  }

  /** As `plainText()`, of bytes: from `start` on, and no further than `end`. */
  plainBytes(source: Uint8Array, start: number, end: number, plain: Uint8Array): number {
    const bytes = this.#reserve(end - start);
    const shift = this.#length - start;
    let at = start;
    for (; at < end; at++) {
      const byte = source[at];
      if (plain[byte] !== 1) break;
      bytes[at + shift] = byte;
    }
    this.#length = at + shift;
    return at;
  }

  /** Copies `source[start, end)` as it is. */
  bytes(source: Uint8Array, start: number, end: number): void {
    const count = end - start;
    const bytes = this.#reserve(count);
    const at = this.#length;
    if (count <= SHORT_COPY_BYTES_MAX) {
      for (let i = 0; i < count; i++) bytes[at + i] = source[start + i];
    } else {
      bytes.set(start === 0 && end === source.length ? source : source.subarray(start, end), at);
    }
    this.#length = at + count;
  }

  /** Copies all of `source` as it is: for constants, which need no view of a part. */
  append(source: Uint8Array): void {
    const count = source.length;
    const bytes = this.#reserve(count);
    const at = this.#length;
    if (count <= SHORT_COPY_BYTES_MAX) {
      for (let i = 0; i < count; i++) bytes[at + i] = source[i];
    } else {
      bytes.set(source, at);
    }
    this.#length = at + count;
  }

  /** @param value A whole number from 0 to 2^53 - 1. */
  decimal(value: number): void {
    this.#number(value, 10);
  }

  /** Lower-case digits without prefix. @param value A whole number from 0 to 2^53 - 1. */
  hex(value: number): void {
    this.#number(value, 16);
  }

  /** As `Number.toString(36)`. @param value A whole number from 0 to 2^53 - 1. */
  base36(value: number): void {
    this.#number(value, 36);
  }

  /** Writes `name: value` and CRLF. `name` must be a token; `value` is written as `latin1()` does. */
  field(name: string, value: string): void {
    this.ascii(name);
    this.ascii(": ");
    this.latin1(value);
    this.ascii("\r\n");
  }

  /**
   * What was written; valid until the next write or reset. May be the very object that an earlier call returned.
   *
   * Heads of one length come again and again, and a view is one of the dearest objects there are.
   * bench/micro/wire_head_bench.ts: made anew 27 ns (and 125 bytes), kept 11.
   */
  view(): Uint8Array {
    const length = this.#length;
    const index = length & (VIEWS - 1);
    const kept = this.#views[index];
    return kept.length === length ? kept : this.#views[index] = this.#bytes.subarray(0, length);
  }

  #number(value: number, radix: number): void {
    if (value <= SMALL_MAX) return this.#smallNumber(value, radix);
    let digits = 1;
    for (let rest = value; rest >= radix; rest = Math.floor(rest / radix)) digits++;
    const bytes = this.#reserve(digits);
    let rest = value;
    for (let at = this.#length + digits - 1; at >= this.#length; at--) {
      const digit = rest % radix;
      bytes[at] = digit < 10 ? 0x30 + digit : 0x57 + digit;
      rest = Math.floor(rest / radix);
    }
    this.#length += digits;
  }

  /** The same in whole numbers of 31 bits, which nearly all are and which cost a third. */
  #smallNumber(value: number, radix: number): void {
    let digits = 1;
    for (let rest = (value / radix) | 0; rest > 0; rest = (rest / radix) | 0) digits++;
    const bytes = this.#reserve(digits);
    let rest = value | 0;
    for (let at = this.#length + digits - 1; at >= this.#length; at--) {
      const next = (rest / radix) | 0;
      const digit = rest - next * radix;
      bytes[at] = digit < 10 ? 0x30 + digit : 0x57 + digit;
      rest = next;
    }
    this.#length += digits;
  }

  #reserve(count: number): Uint8Array {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return this.#bytes;
    let capacity = this.#bytes.length * 2;
    while (capacity < needed) capacity *= 2;
    const grown = new Uint8Array(capacity);
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#use(grown);
    return grown;
  }

  #use(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#views.fill(NO_VIEW);
  }
}
