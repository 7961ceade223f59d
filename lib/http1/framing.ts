/**
 * Where a body ends (RFC 9112 §6). Pure; retains nothing.
 *
 * Request smuggling lives on two recipients that read one message differently. So what RFC 9112 §6.3 lets a recipient
 * repair is refused here: a message has at most one Content-Length line, of digits only, or one Transfer-Encoding line
 * that says exactly `chunked`, and never both. Equal Content-Lengths, lists, empty list elements and codings besides
 * `chunked` (we decode none) are legal in places and used by nobody with honest reasons.
 */

import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { FieldId } from "../base/field_names.ts";
import { COMMA, DIGIT_0, DIGIT_9, equalsFolded, HTAB, SP } from "./grammar.ts";
import type { Head } from "./head.ts";
import { BodyKind, type Framing } from "./body_kind.ts";

const NONE: Framing = { kind: BodyKind.none, length: -1, keepAlive: true };
const NONE_LAST: Framing = { kind: BodyKind.none, length: -1, keepAlive: false };
const CHUNKED: Framing = { kind: BodyKind.chunked, length: -1, keepAlive: true };
const CHUNKED_LAST: Framing = { kind: BodyKind.chunked, length: -1, keepAlive: false };
const UNTIL_CLOSE: Framing = { kind: BodyKind.until_close, length: -1, keepAlive: false };

/**
 * RFC 9112 §6.3 for requests: chunked, a length, or no body.
 *
 * @throws {ProxyError} `request_framing_invalid`.
 */
export function requestFraming(head: Head): Framing {
  return declaredFraming(head, "request_framing_invalid") ?? (isPersistent(head) ? NONE : NONE_LAST);
}

/**
 * RFC 9112 §6.3 for responses. 1xx, 204, 304 and responses to HEAD have no body whatever their fields say; a 204 that
 * announces one is not trusted with another message on its connection. A 101 and a 2xx to CONNECT turn the connection
 * into a tunnel: no body, no message behind it.
 *
 * @param method Of the request that this answers.
 * @throws {ProxyError} `response_framing_invalid`.
 */
export function responseFraming(method: string, head: Head): Framing {
  const status = head.status;
  if (status === 101 || (method === "CONNECT" && status >= 200 && status <= 299)) return NONE_LAST;
  if (status < 200 || status === 204) return isPersistent(head) && !announcesBody(head) ? NONE : NONE_LAST;
  if (status === 304 || method === "HEAD") return isPersistent(head) ? NONE : NONE_LAST;
  return declaredFraming(head, "response_framing_invalid") ?? UNTIL_CLOSE;
}

/**
 * Whether the sender will read or write another message on this connection (RFC 9112 §9.3). `close` beats
 * `keep-alive`. An HTTP/1.0 client that asks is kept: towards clients a gateway is an origin, not a proxy.
 */
export function isPersistent(head: Head): boolean {
  return head.block === null ? wantsMore(head) : head.block.isPersistent ??= wantsMore(head);
}

function wantsMore(head: Head): boolean {
  let keepAlive = head.minorVersion === 1;
  for (let i = head.find(FieldId.connection); i !== -1; i = head.find(FieldId.connection, i + 1)) {
    const end = head.offsets[4 * i + 3];
    let at = head.offsets[4 * i + 2];
    while (at < end) {
      const start = at;
      while (at < end && head.fieldBytes[at] !== COMMA) at++;
      if (isOption(head.fieldBytes, start, at, "close")) return false;
      if (isOption(head.fieldBytes, start, at, "keep-alive")) keepAlive = true;
      at++;
    }
  }
  return keepAlive;
}

function isOption(bytes: Uint8Array, start: number, end: number, option: string): boolean {
  while (start < end && (bytes[start] === SP || bytes[start] === HTAB)) start++;
  while (end > start && (bytes[end - 1] === SP || bytes[end - 1] === HTAB)) end--;
  return equalsFolded(bytes, start, end, option);
}

/** What Transfer-Encoding or Content-Length say; null when there is neither. */
function declaredFraming(head: Head, code: ErrorCode): Framing | null {
  const { block } = head;
  if (block === null) return framingOf(head, code);
  if (block.framing === undefined) block.framing = framingOf(head, code);
  return block.framing;
}

function framingOf(head: Head, code: ErrorCode): Framing | null {
  const lengthAt = head.find(FieldId.content_length);
  const codingAt = head.find(FieldId.transfer_encoding);
  if (codingAt !== -1) {
    // §6.1: both together may be smuggling, and HTTP/1.0 has no transfer codings.
    if (lengthAt !== -1 || head.minorVersion === 0) throw new ProxyError(code);
    if (head.find(FieldId.transfer_encoding, codingAt + 1) !== -1) throw new ProxyError(code);
    const start = head.offsets[4 * codingAt + 2];
    if (!equalsFolded(head.fieldBytes, start, head.offsets[4 * codingAt + 3], "chunked")) throw new ProxyError(code);
    return isPersistent(head) ? CHUNKED : CHUNKED_LAST;
  }
  if (lengthAt === -1) return null;
  if (head.find(FieldId.content_length, lengthAt + 1) !== -1) throw new ProxyError(code);
  const length = contentLength(head, lengthAt);
  if (length === -1) throw new ProxyError(code);
  return { kind: BodyKind.length, length, keepAlive: isPersistent(head) };
}

/** Content-Length = 1*DIGIT (RFC 9110 §8.6), at most 2^53 - 1; -1 when the value is anything else. */
function contentLength(head: Head, i: number): number {
  const start = head.offsets[4 * i + 2];
  const end = head.offsets[4 * i + 3];
  if (start === end) return -1;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = head.fieldBytes[at];
    if (byte < DIGIT_0 || byte > DIGIT_9) return -1;
    length = length * 10 + (byte - DIGIT_0); // In this order: the sum with the byte would be rounded near 2^53.
    if (length > Number.MAX_SAFE_INTEGER) return -1;
  }
  return length;
}

function announcesBody(head: Head): boolean {
  if (head.has(FieldId.transfer_encoding)) return true;
  const i = head.find(FieldId.content_length);
  return i !== -1 && contentLength(head, i) !== 0;
}
