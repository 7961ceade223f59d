/**
 * The trailer section of a chunked body (RFC 9112 §7.1.2), by the grammar of heads.
 *
 * Trailers are copied to a buffer of their own, so that a body decoder never asks its caller to keep bytes; they are
 * rare and bounded. They stay trailers: nothing merges them into the head, and one that names Content-Length,
 * Transfer-Encoding or Host (RFC 9110 §6.5.1) breaks the message.
 */

import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { FieldId } from "../base/field_names.ts";
import { decodeHead, type HeadKind } from "./decode_head.ts";
import { Head, type HeadBounds, HeadPhase } from "./head.ts";

const CAPACITY = 1024;
const FORBIDDEN = [FieldId.content_length, FieldId.transfer_encoding, FieldId.host];

export class TrailerSection {
  /** The fields, once `isComplete`; they point into a buffer that the next `reset()` frees for other use. */
  readonly head: Head;
  isComplete: boolean;
  readonly #malformed: ErrorCode;
  readonly #kind: HeadKind;
  #bytes: Uint8Array;
  #length: number;

  /** @param malformed What to throw. */
  constructor(malformed: ErrorCode) {
    this.head = new Head();
    this.isComplete = false;
    this.#malformed = malformed;
    this.#kind = { invalid: malformed, tooLarge: malformed, startLine: noStartLine };
    this.#bytes = new Uint8Array(CAPACITY);
    this.#length = 0;
  }

  reset(): void {
    this.head.reset();
    this.isComplete = false;
    this.#length = 0;
  }

  /** Copies what belongs to the section, as far as it has come. @returns Bytes consumed from `start`. */
  decode(bytes: Uint8Array, start: number, end: number, bounds: HeadBounds): number {
    const had = this.#length;
    const length = Math.min(had + end - start, bounds.bytesMax);
    this.#reserve(length);
    this.#bytes.set(bytes.subarray(start, start + length - had), had);
    this.#length = length;
    const consumed = decodeHead(this.head, this.#bytes, 0, length, bounds, this.#kind);
    if (consumed === 0) return length - had;
    for (const id of FORBIDDEN) {
      if (this.head.has(id)) throw new ProxyError(this.#malformed);
    }
    this.isComplete = true;
    return consumed - had;
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(length, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

function noStartLine(head: Head, _bytes: Uint8Array, at: number): number {
  head.phase = HeadPhase.fields;
  return at;
}
