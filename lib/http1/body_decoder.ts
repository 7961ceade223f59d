/**
 * Finds the data of a body among its framing (RFC 9112 §6, §7.1), without copying it.
 *
 * A chunked body is a state machine per byte for the framing and one jump over the data. Chunk extensions and the way
 * the body was cut into chunks end here. What the grammar leaves open is decided so that no two recipients can disagree
 * on where a chunk begins:
 * - a size is 1 to 15 hexadecimal digits and at most 2^53 - 1; no sign, prefix or whitespace;
 * - whitespace behind the size is refused, also before ";" where the grammar allows it (BWS): recipients are known to
 *   read "5 " in different ways. Behind ";" and "=" it is skipped, before a delimiter or CRLF it is refused;
 * - an extension is parsed, so that a quoted string that is still open at the CRLF is an error and never a way to hide it;
 * - CRLF is exact everywhere.
 * Trailers are copied to a buffer of their own and parsed by the grammar of heads. They stay trailers: one that names
 * Content-Length, Transfer-Encoding or Host (RFC 9110 §6.5.1) breaks the message.
 */

import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { FieldId } from "../base/field_names.ts";
import { decodeHead, type HeadKind } from "./decode_head.ts";
import { BodyKind } from "./framing.ts";
import { BACKSLASH, CharClass, CLASS, CR, EQUALS, hexValue, HTAB, LF, QUOTE, SEMICOLON, SP } from "./grammar.ts";
import { Head, HeadPhase } from "./head.ts";

export interface BodyBounds {
  /** One chunk's size line with its extensions and CRLF; bytes. */
  readonly chunkHeadBytesMax: number;
  /** All trailer lines with the empty one; bytes. */
  readonly trailerBytesMax: number;
  readonly trailerFieldsMax: number;
}

const SIZE_DIGITS_MAX = 15;
const TRAILER_CAPACITY = 1024;
const NO_BYTES = new Uint8Array(0);
const NO_BOUNDS: BodyBounds = { chunkHeadBytesMax: 0, trailerBytesMax: 0, trailerFieldsMax: 0 };

/** Where in a chunked body the next byte belongs. Up to `size_lf` it is part of a chunk head. */
const State = {
  size_first: 0,
  size: 1,
  extension_name_first: 2,
  extension_name: 3,
  extension_value_first: 4,
  extension_value: 5,
  extension_quoted: 6,
  extension_escape: 7,
  extension_quoted_end: 8,
  size_lf: 9,
  data: 10,
  data_cr: 11,
  data_lf: 12,
  end: 13,
  end_lf: 14,
  trailers: 15,
} as const;

/** Trailers have no start line. */
const TRAILERS: HeadKind = {
  invalid: "response_framing_invalid",
  tooLarge: "response_framing_invalid",
  startLine: (head, _bytes, at) => {
    head.phase = HeadPhase.fields;
    return at;
  },
};

/** One per connection and direction, reused for every body. */
export class BodyDecoder {
  /** The data that the last `decode()` found, in the bytes it was given; empty when both are equal. */
  dataStart: number;
  dataEnd: number;
  /** The body has ended; `decode()` consumes nothing more. */
  done: boolean;

  readonly #malformed: ErrorCode;
  readonly #incomplete: ErrorCode;
  #kind: number;
  #bounds: BodyBounds;
  #state: number;
  /** Of the body (kind `length`) or of the chunk, still to come. */
  #remaining: number;
  #sizeDigits: number;
  #headBytes: number;
  #trailers: Head | null;
  #trailerBytes: Uint8Array;
  #trailerLength: number;

  constructor(message: "request" | "response") {
    this.dataStart = 0;
    this.dataEnd = 0;
    this.done = true;
    this.#malformed = message === "request" ? "request_body_broken" : "response_framing_invalid";
    this.#incomplete = message === "request" ? "request_body_broken" : "response_incomplete";
    this.#kind = BodyKind.none;
    this.#bounds = NO_BOUNDS;
    this.#state = State.size_first;
    this.#remaining = 0;
    this.#sizeDigits = 0;
    this.#headBytes = 0;
    this.#trailers = null;
    this.#trailerBytes = NO_BYTES;
    this.#trailerLength = 0;
  }

  /** The trailer fields of a body that is done; null when it had none. Valid until the next `begin()`. */
  get trailers(): Head | null {
    return this.done && this.#trailerLength > 0 ? this.#trailers : null;
  }

  /**
   * A new body. One without bytes (kind `none`, length 0) is done at once.
   *
   * @param kind One of `BodyKind`.
   * @param length Bytes; read for kind `length` only.
   * @param bounds Kept until the body is done.
   */
  begin(kind: number, length: number, bounds: BodyBounds): void {
    this.dataStart = 0;
    this.dataEnd = 0;
    this.done = kind === BodyKind.none || (kind === BodyKind.length && length === 0);
    this.#kind = kind;
    this.#bounds = bounds;
    this.#state = State.size_first;
    this.#remaining = kind === BodyKind.length ? length : 0;
    this.#sizeDigits = 0;
    this.#headBytes = 0;
    this.#trailerLength = 0;
  }

  /**
   * Consumes framing and at most one range of data from `bytes[start, end)`, and sets `dataStart`, `dataEnd` and `done`.
   * Call again while bytes are left and `done` is false. Bytes behind the body are never consumed.
   *
   * @returns Bytes consumed; 0 only when there were none or the body is done.
   * @throws {ProxyError} `request_body_broken` or `response_framing_invalid`; the connection can't be used any more.
   */
  decode(bytes: Uint8Array, start: number, end: number): number {
    this.dataStart = start;
    this.dataEnd = start;
    if (this.done || start >= end) return 0;
    if (this.#kind === BodyKind.chunked) return this.#decodeChunked(bytes, start, end) - start;
    if (this.#kind === BodyKind.until_close) {
      this.dataEnd = end;
      return end - start;
    }
    this.#takeData(start, end);
    this.done = this.#remaining === 0;
    return this.dataEnd - start;
  }

  /**
   * The sender closed its side. Ends a body of kind `until_close`.
   *
   * @throws {ProxyError} `request_body_broken` or `response_incomplete` when the body was not complete.
   */
  finish(): void {
    this.dataStart = 0;
    this.dataEnd = 0;
    if (this.#kind === BodyKind.until_close) this.done = true;
    if (!this.done) throw new ProxyError(this.#incomplete);
  }

  #takeData(start: number, end: number): void {
    const length = Math.min(this.#remaining, end - start);
    this.dataStart = start;
    this.dataEnd = start + length;
    this.#remaining -= length;
  }

  /** @returns The index of the first byte not consumed. */
  #decodeChunked(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && !this.done) {
      const state = this.#state;
      if (state === State.data) {
        this.#takeData(at, end);
        if (this.#remaining === 0) this.#state = State.data_cr;
        return this.dataEnd;
      }
      if (state === State.trailers) return this.#takeTrailers(bytes, at, end);
      if (state <= State.size_lf) {
        if (++this.#headBytes > this.#bounds.chunkHeadBytesMax) throw new ProxyError(this.#malformed);
        this.#state = this.#chunkHeadByte(state, bytes[at]);
        at++;
        continue;
      }
      if (state === State.end && bytes[at] !== CR) {
        this.#beginTrailers();
        continue;
      }
      this.#state = this.#delimiterByte(state, bytes[at]);
      at++;
    }
    return at;
  }

  /** chunk-size [ chunk-ext ] CRLF (RFC 9112 §7.1). @returns The next state. */
  #chunkHeadByte(state: number, byte: number): number {
    const isToken = (CLASS[byte] & CharClass.token) !== 0;
    switch (state) {
      case State.size_first:
        this.#sizeDigits = 0;
        return this.#sizeDigit(byte);
      case State.size:
        if (byte === CR) return State.size_lf;
        return byte === SEMICOLON ? State.extension_name_first : this.#sizeDigit(byte);
      case State.extension_name_first:
        if (isToken) return State.extension_name;
        if (byte === SP || byte === HTAB) return state;
        break;
      case State.extension_name:
        if (isToken) return state;
        if (byte === EQUALS) return State.extension_value_first;
        return this.#extensionEnd(byte);
      case State.extension_value_first:
        if (isToken) return State.extension_value;
        if (byte === QUOTE) return State.extension_quoted;
        if (byte === SP || byte === HTAB) return state;
        break;
      case State.extension_value:
        return isToken ? state : this.#extensionEnd(byte);
      case State.extension_quoted:
        if (byte === QUOTE) return State.extension_quoted_end;
        if (byte === BACKSLASH) return State.extension_escape;
        if ((CLASS[byte] & CharClass.value) !== 0) return state;
        break;
      case State.extension_escape:
        if ((CLASS[byte] & CharClass.value) !== 0) return State.extension_quoted;
        break;
      case State.extension_quoted_end:
        return this.#extensionEnd(byte);
      case State.size_lf:
        if (byte !== LF) break;
        this.#headBytes = 0;
        return this.#remaining === 0 ? State.end : State.data;
    }
    throw new ProxyError(this.#malformed);
  }

  #sizeDigit(byte: number): number {
    const digit = hexValue(byte);
    const size = this.#remaining * 16 + digit;
    if (digit === -1 || ++this.#sizeDigits > SIZE_DIGITS_MAX || size > Number.MAX_SAFE_INTEGER) {
      throw new ProxyError(this.#malformed);
    }
    this.#remaining = size;
    return State.size;
  }

  #extensionEnd(byte: number): number {
    if (byte === CR) return State.size_lf;
    if (byte === SEMICOLON) return State.extension_name_first;
    throw new ProxyError(this.#malformed);
  }

  /** The CRLF behind the data of a chunk, and the one that ends a body without trailers. @returns The next state. */
  #delimiterByte(state: number, byte: number): number {
    const expected = state === State.data_cr || state === State.end ? CR : LF;
    if (byte !== expected) throw new ProxyError(this.#malformed);
    if (state === State.data_cr) return State.data_lf;
    if (state === State.end) return State.end_lf;
    if (state === State.end_lf) this.done = true;
    return State.size_first;
  }

  #beginTrailers(): void {
    this.#trailers ??= new Head();
    this.#trailers.reset();
    this.#state = State.trailers;
  }

  /** Copies what belongs to the trailers, as far as it has come. @returns The index of the first byte not consumed. */
  #takeTrailers(bytes: Uint8Array, start: number, end: number): number {
    const head = this.#trailers as Head;
    const had = this.#trailerLength;
    const length = Math.min(had + end - start, this.#bounds.trailerBytesMax);
    this.#reserveTrailers(length);
    this.#trailerBytes.set(bytes.subarray(start, start + length - had), had);
    this.#trailerLength = length;
    const consumed = this.#decodeTrailers(head, length);
    if (consumed === 0) return start + length - had;
    for (const id of [FieldId.content_length, FieldId.transfer_encoding, FieldId.host]) {
      if (head.has(id)) throw new ProxyError(this.#malformed);
    }
    this.#trailerLength = consumed;
    this.done = true;
    return start + consumed - had;
  }

  #decodeTrailers(head: Head, length: number): number {
    const { trailerBytesMax, trailerFieldsMax } = this.#bounds;
    const bounds = { bytesMax: trailerBytesMax, fieldsMax: trailerFieldsMax, targetBytesMax: 0 };
    try {
      return decodeHead(head, this.#trailerBytes, 0, length, bounds, TRAILERS);
    } catch (error) {
      throw error instanceof ProxyError ? new ProxyError(this.#malformed) : error;
    }
  }

  #reserveTrailers(length: number): void {
    if (length <= this.#trailerBytes.length) return;
    const grown = new Uint8Array(Math.max(length, TRAILER_CAPACITY, this.#trailerBytes.length * 2));
    grown.set(this.#trailerBytes.subarray(0, this.#trailerLength));
    this.#trailerBytes = grown;
  }
}
