/** Response heads (RFC 9112 §4). What is refused and why decoding can stop at any byte is told in decode_head.ts. */

import { decodeHead, type HeadKind, lineEnd, Verdict, version } from "./decode_head.ts";
import { CharClass, CLASS, CR, DIGIT_0, DIGIT_9, SP } from "./grammar.ts";
import { type Head, type HeadBounds, HeadPhase } from "./head.ts";

const RESPONSE: HeadKind = { invalid: "response_invalid", tooLarge: "response_head_too_large", startLine: statusLine };

/**
 * Decodes a response head from `bytes[start, end)`. Nothing may stand before the status line. `targetBytesMax` is not
 * read. Call again with the same bytes and more while it returns 0; they may have moved in between.
 *
 * @returns Bytes consumed from `start`; 0 when the head is not complete.
 * @throws {ProxyError} `response_invalid`, `response_head_too_large` (bytes or fields).
 */
export function decodeResponseHead(
  head: Head,
  bytes: Uint8Array,
  start: number,
  end: number,
  bounds: HeadBounds,
): number {
  return decodeHead(head, bytes, start, end, bounds, RESPONSE);
}

/**
 * status-line = HTTP-version SP 3DIGIT SP [ reason-phrase ] (RFC 9112 §4). The space behind the status may be missing
 * when the line ends there: many backends leave it out, and nobody can read such a line in another way.
 */
function statusLine(head: Head, bytes: Uint8Array, start: number, limit: number): number {
  let at = version(head, bytes, start, limit);
  if (at < 0) return at;
  if (at >= limit) return Verdict.incomplete;
  if (bytes[at++] !== SP) return Verdict.invalid;
  let status = 0;
  for (let i = 0; i < 3; i++, at++) {
    if (at >= limit) return Verdict.incomplete;
    if (bytes[at] < DIGIT_0 || bytes[at] > DIGIT_9) return Verdict.invalid;
    status = status * 10 + bytes[at] - DIGIT_0;
  }
  if (status < 100 || status > 599) return Verdict.invalid;
  if (at >= limit) return Verdict.incomplete;
  if (bytes[at] === SP) at++;
  else if (bytes[at] !== CR) return Verdict.invalid;
  const reasonStart = at;
  while (at < limit && (CLASS[bytes[at]] & CharClass.value) !== 0) at++;
  const next = lineEnd(bytes, at, limit);
  if (next < 0) return next;
  head.start = start;
  head.status = status;
  head.reasonStart = reasonStart;
  head.reasonEnd = at;
  head.phase = HeadPhase.fields;
  return next;
}
