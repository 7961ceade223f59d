/** Request heads (RFC 9112 §3). What is refused and why decoding can stop at any byte is told in decode_head.ts. */

import { decodeHead, type HeadKind, lineEnd, Verdict, version } from "./decode_head.ts";
import { CharClass, CLASS, CR, latin1, SP } from "./grammar.ts";
import { type Head, type HeadBounds, HeadPhase } from "./head.ts";

const REQUEST: HeadKind = { invalid: "request_invalid", tooLarge: "request_head_too_large", startLine: requestLine };

/** Methods whose strings exist already, so that decoding them makes none. The usual ones first. */
const KNOWN_METHODS = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"];

/**
 * Decodes a request head from `bytes[start, end)`. One CRLF before the request line is skipped and counted as consumed
 * (RFC 9112 §2.2: some clients send it behind a body); a second one is refused.
 *
 * Call again with the same bytes and more while it returns 0; they may have moved in between. The form of the target
 * (§3.2) and the Host field are not looked at.
 *
 * @returns Bytes consumed from `start`; 0 when the head is not complete.
 * @throws {ProxyError} `request_invalid`, `request_head_too_large` (bytes or fields), `target_too_long`.
 */
export function decodeRequestHead(
  head: Head,
  bytes: Uint8Array,
  start: number,
  end: number,
  bounds: HeadBounds,
): number {
  return decodeHead(head, bytes, start, end, bounds, REQUEST);
}

/** request-line = method SP request-target SP HTTP-version, with single spaces (RFC 9112 §3). */
function requestLine(head: Head, bytes: Uint8Array, start: number, limit: number, bounds: HeadBounds): number {
  if (start >= limit) return Verdict.incomplete;
  if (bytes[start] === CR && head.phase === HeadPhase.begin) {
    const next = lineEnd(bytes, start, limit);
    if (next > 0) head.phase = HeadPhase.start_line;
    return next;
  }
  let at = start;
  while (at < limit && (CLASS[bytes[at]] & CharClass.token) !== 0) at++;
  if (at === limit) return Verdict.incomplete;
  const methodEnd = at;
  if (methodEnd === start || bytes[at] !== SP) return Verdict.invalid;
  const targetStart = ++at;
  while (at < limit && (CLASS[bytes[at]] & CharClass.target) !== 0) at++;
  if (at - targetStart > bounds.targetBytesMax) return Verdict.target_too_long;
  if (at === limit) return Verdict.incomplete;
  if (at === targetStart || bytes[at] !== SP) return Verdict.invalid;
  const targetEnd = at;
  at = version(head, bytes, at + 1, limit);
  if (at < 0) return at;
  const next = lineEnd(bytes, at, limit);
  if (next < 0) return next;
  head.start = start;
  head.method = methodOf(bytes, start, methodEnd);
  head.targetStart = targetStart;
  head.targetEnd = targetEnd;
  head.phase = HeadPhase.fields;
  return next;
}

function methodOf(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start;
  for (const known of KNOWN_METHODS) {
    if (known.length !== length) continue;
    let i = 0;
    while (i < length && bytes[start + i] === known.charCodeAt(i)) i++;
    if (i === length) return known;
  }
  return latin1(bytes, start, end);
}
