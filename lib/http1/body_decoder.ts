/**
 * Finds the data of a body among its framing (RFC 9112 §6, §7.1), without copying it.
 *
 * A chunked body is a state machine per byte for the framing and one jump over the data. Chunk extensions and the way
 * the body was cut into chunks end here; CRLF is exact everywhere. What is refused in the line before a chunk is told
 * in chunk_head.ts, what in trailers in trailer_section.ts.
 */

import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { ChunkHead } from "./chunk_head.ts";
import { BodyKind } from "./body_kind.ts";
import { CR, LF } from "./grammar.ts";
import type { Head, HeadBounds } from "./head.ts";
import { TrailerSection } from "./trailer_section.ts";

export interface BodyBounds {
  /** One chunk's size line with its extensions and CRLF; bytes. */
  readonly chunkHeadBytesMax: number;
  /** All trailer lines with the empty one; bytes. */
  readonly trailerBytesMax: number;
  readonly trailerFieldsMax: number;
}

/** Where in a chunked body the next byte belongs. */
const State = { chunk_head: 0, data: 1, data_cr: 2, data_lf: 3, end: 4, end_lf: 5, trailers: 6 } as const;

/** One per connection and direction, reused for every body. */
export class BodyDecoder {
  /** The data that the last `decode()` found, in the bytes it was given; empty when both are equal. */
  dataStart: number;
  dataEnd: number;
  /** The body has ended; `decode()` consumes nothing more. */
  done: boolean;

  readonly #malformed: ErrorCode;
  readonly #incomplete: ErrorCode;
  readonly #chunkHead: ChunkHead;
  #chunkHeadBytesMax: number;
  #trailerBounds: HeadBounds;
  #kind: number;
  #state: number;
  /** Bytes that are still to come of the body (kind `length`) or of the chunk. */
  #remaining: number;
  /** Made for the first body that has trailers. */
  #trailers: TrailerSection | null;

  constructor(message: "request" | "response") {
    this.dataStart = 0;
    this.dataEnd = 0;
    this.done = true;
    this.#malformed = message === "request" ? "request_body_broken" : "response_framing_invalid";
    this.#incomplete = message === "request" ? "request_body_broken" : "response_incomplete";
    this.#chunkHead = new ChunkHead(this.#malformed);
    this.#chunkHeadBytesMax = 0;
    this.#trailerBounds = { bytesMax: 0, fieldsMax: 0, targetBytesMax: 0 };
    this.#kind = BodyKind.none;
    this.#state = State.chunk_head;
    this.#remaining = 0;
    this.#trailers = null;
  }

  /** The trailer fields of a body that is done; null when it had none. Valid until the next `begin()`. */
  get trailers(): Head | null {
    return this.#trailers !== null && this.#trailers.isComplete ? this.#trailers.head : null;
  }

  /** Bytes that are still to come of a body of kind `length`; -1 where that is not known. */
  get missingBytes(): number {
    return this.#kind === BodyKind.length ? this.#remaining : -1;
  }

  /**
   * A new body. One without bytes (kind `none`, length 0) is done at once.
   *
   * @param kind One of `BodyKind`.
   * @param length Bytes; read for kind `length` only.
   */
  begin(kind: number, length: number, bounds: BodyBounds): void {
    this.dataStart = 0;
    this.dataEnd = 0;
    this.done = kind === BodyKind.none || (kind === BodyKind.length && length === 0);
    this.#kind = kind;
    this.#state = State.chunk_head;
    this.#remaining = kind === BodyKind.length ? length : 0;
    this.#trailers?.reset();
    if (kind !== BodyKind.chunked) return;
    this.#chunkHead.reset();
    this.#chunkHeadBytesMax = bounds.chunkHeadBytesMax;
    const { trailerBytesMax: bytesMax, trailerFieldsMax: fieldsMax } = bounds;
    if (this.#trailerBounds.bytesMax !== bytesMax || this.#trailerBounds.fieldsMax !== fieldsMax) {
      this.#trailerBounds = { bytesMax, fieldsMax, targetBytesMax: 0 };
    }
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
      switch (this.#state) {
        case State.chunk_head:
          if (this.#chunkHead.push(bytes[at++], this.#chunkHeadBytesMax)) this.#beginChunk();
          break;
        case State.data:
          this.#takeData(at, end);
          if (this.#remaining === 0) this.#state = State.data_cr;
          return this.dataEnd;
        case State.trailers:
          return at + this.#takeTrailers(bytes, at, end);
        case State.end:
          if (bytes[at] === CR) this.#state = this.#delimiter(bytes[at++]);
          else this.#state = State.trailers;
          break;
        default:
          this.#state = this.#delimiter(bytes[at++]);
      }
    }
    return at;
  }

  #beginChunk(): void {
    this.#remaining = this.#chunkHead.size;
    this.#state = this.#remaining === 0 ? State.end : State.data;
    this.#chunkHead.reset();
  }

  /** The CRLF behind the data of a chunk, and the one that ends a body without trailers. @returns The next state. */
  #delimiter(byte: number): number {
    const state = this.#state;
    const expected = state === State.data_cr || state === State.end ? CR : LF;
    if (byte !== expected) throw new ProxyError(this.#malformed);
    if (state === State.data_cr) return State.data_lf;
    if (state === State.end) return State.end_lf;
    if (state === State.end_lf) this.done = true;
    return State.chunk_head;
  }

  #takeTrailers(bytes: Uint8Array, start: number, end: number): number {
    this.#trailers ??= new TrailerSection(this.#malformed);
    const consumed = this.#trailers.decode(bytes, start, end, this.#trailerBounds);
    this.done = this.#trailers.isComplete;
    return consumed;
  }
}
