/**
 * The line before the data of a chunk: chunk-size [ chunk-ext ] CRLF (RFC 9112 §7.1), as a state machine per byte.
 *
 * What the grammar leaves open is decided so that no two recipients can disagree on where a chunk begins:
 * - a size is 1 to 15 hexadecimal digits and at most 2^53 - 1; no sign, prefix or whitespace;
 * - whitespace behind the size is refused, also before ";" where the grammar allows it (BWS): recipients are known to
 *   read "5 " in different ways. Behind ";" and "=" it is skipped, before a delimiter or CRLF it is refused;
 * - an extension is parsed, then dropped: a quoted string that is still open at the CRLF is an error, never a way to
 *   hide that CRLF;
 * - CRLF is exact.
 */

import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { BACKSLASH, CharClass, CLASS, CR, EQUALS, hexValue, HTAB, LF, QUOTE, SEMICOLON, SP } from "./grammar.ts";

const SIZE_DIGITS_MAX = 15;

const State = {
  size_first: 0,
  size: 1,
  name_first: 2,
  name: 3,
  value_first: 4,
  value: 5,
  quoted: 6,
  escape: 7,
  quoted_end: 8,
  lf: 9,
  done: 10,
} as const;

export class ChunkHead {
  /** Bytes of data in the chunk; final when `push()` has returned true. 0: the last chunk. */
  size: number;
  readonly #malformed: ErrorCode;
  #state: number;
  #digits: number;
  #bytes: number;

  /** @param malformed What to throw. */
  constructor(malformed: ErrorCode) {
    this.size = 0;
    this.#malformed = malformed;
    this.#state = State.size_first;
    this.#digits = 0;
    this.#bytes = 0;
  }

  reset(): void {
    this.size = 0;
    this.#state = State.size_first;
    this.#digits = 0;
    this.#bytes = 0;
  }

  /**
   * @param bytesMax Of the whole line with its CRLF.
   * @returns Whether `byte` was the last one of the line; then `reset()` comes before the next.
   */
  push(byte: number, bytesMax: number): boolean {
    if (++this.#bytes > bytesMax) throw new ProxyError(this.#malformed);
    this.#state = this.#next(byte);
    return this.#state === State.done;
  }

  #next(byte: number): number {
    const state = this.#state;
    const isToken = (CLASS[byte] & CharClass.token) !== 0;
    switch (state) {
      case State.size_first:
        return this.#digit(byte);
      case State.size:
        return byte === CR || byte === SEMICOLON ? this.#delimiter(byte) : this.#digit(byte);
      case State.name_first:
        if (isToken) return State.name;
        if (byte === SP || byte === HTAB) return state;
        break;
      case State.name:
        if (isToken) return state;
        return byte === EQUALS ? State.value_first : this.#delimiter(byte);
      case State.value_first:
        if (isToken) return State.value;
        if (byte === QUOTE) return State.quoted;
        if (byte === SP || byte === HTAB) return state;
        break;
      case State.value:
        return isToken ? state : this.#delimiter(byte);
      case State.quoted:
        if (byte === QUOTE) return State.quoted_end;
        if (byte === BACKSLASH) return State.escape;
        if ((CLASS[byte] & CharClass.value) !== 0) return state;
        break;
      case State.escape:
        if ((CLASS[byte] & CharClass.value) !== 0) return State.quoted;
        break;
      case State.quoted_end:
        return this.#delimiter(byte);
      case State.lf:
        if (byte === LF) return State.done;
        break;
    }
    throw new ProxyError(this.#malformed);
  }

  #digit(byte: number): number {
    const digit = hexValue(byte);
    const size = this.size * 16 + digit;
    if (digit === -1 || ++this.#digits > SIZE_DIGITS_MAX || size > Number.MAX_SAFE_INTEGER) {
      throw new ProxyError(this.#malformed);
    }
    this.size = size;
    return State.size;
  }

  #delimiter(byte: number): number {
    if (byte === CR) return State.lf;
    if (byte === SEMICOLON) return State.name_first;
    throw new ProxyError(this.#malformed);
  }
}
