/**
 * What request heads, response heads and trailers have in common: the loop over lines, and the grammar of a field line.
 *
 * Why line by line: the usual head is there whole, and is parsed in one pass over the bytes with no search before it.
 * When bytes are missing, the line that is not complete is given up and remembered, with how much of it is known to hold
 * no control byte; the next call looks only at what is new, and parses the line again when its end may have come. So a
 * byte is looked at four times at most however it arrives: the work is linear, also when a client sends byte by byte.
 * Rejected: a search for the empty line before parsing (a second pass in the common case; junk is noticed late), and a
 * state machine per byte (resumes anywhere, costs a branch on the state for each byte).
 *
 * Invariant: any split of the bytes gives the same result. A line parser gives the same verdict on a line however much
 * follows, and a bad line is reported only when a control byte in it has come (its end, or a byte that is itself wrong)
 * or the bound is reached, never earlier because more of it happened to arrive at once.
 *
 * Refused, where others are lenient (RFC 9112 §2.2, §5.1, §5.2, RFC 9110 §5.5): bare CR and bare LF, whitespace before
 * the colon, line folding, empty and non-token names, control characters in values.
 */

import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { CharClass, CLASS, COLON, CR, HTAB, indexOfControl, LF, SP } from "./grammar.ts";
import { type Head, type HeadBounds, HeadPhase } from "./head.ts";

/** What a line parser returns when there is no next line to point to. */
export const Verdict = { incomplete: -1, invalid: -2, too_large: -3, target_too_long: -4 } as const;

/** What differs between the kinds of heads. */
export interface HeadKind {
  readonly invalid: ErrorCode;
  readonly tooLarge: ErrorCode;
  /** Parses the line at `at`, sets `head.phase` and returns the next line or a verdict. Reads nothing from `limit` on. */
  readonly startLine: (head: Head, bytes: Uint8Array, at: number, limit: number, bounds: HeadBounds) => number;
}

/**
 * @returns Bytes from `start` to behind the empty line; 0 when it has not come.
 * @throws {ProxyError} One of the codes of `kind`, or `target_too_long`. `head` then needs a `reset()`.
 */
export function decodeHead(
  head: Head,
  bytes: Uint8Array,
  start: number,
  end: number,
  bounds: HeadBounds,
  kind: HeadKind,
): number {
  if (head.phase === HeadPhase.done) head.reset();
  head.rebase(bytes, start);
  const isFull = end - start >= bounds.bytesMax;
  const limit = isFull ? start + bounds.bytesMax : end;
  if (head.seenAt > head.lineAt && !isFull) {
    const at = indexOfControl(bytes, start + head.seenAt, limit);
    head.seenAt = at - start;
    if (at === limit) return 0;
  }
  let at = start + head.lineAt;
  while (head.phase !== HeadPhase.done) {
    if (head.phase === HeadPhase.fields && head.count === 0) {
      head.fieldsAt = at - start;
      const behind = head.recall(at, limit, bounds.fieldsMax);
      if (behind > 0) {
        at = behind;
        break;
      }
    }
    const next = head.phase === HeadPhase.fields
      ? fieldLine(head, bytes, at, limit, bounds.fieldsMax)
      : kind.startLine(head, bytes, at, limit, bounds);
    if (next < 0) {
      if (isFull) throw errorOf(next === Verdict.incomplete ? Verdict.too_large : next, kind);
      const controlAt = indexOfControl(bytes, at, limit);
      head.lineAt = at - start;
      head.seenAt = controlAt - start;
      if (next === Verdict.incomplete || controlAt === limit) return 0;
      throw errorOf(next, kind);
    }
    at = next;
  }
  head.complete(at);
  return at - start;
}

function errorOf(verdict: number, kind: HeadKind): ProxyError {
  if (verdict === Verdict.too_large) return new ProxyError(kind.tooLarge);
  return new ProxyError(verdict === Verdict.target_too_long ? "target_too_long" : kind.invalid);
}

/** field-line = field-name ":" OWS field-value OWS (RFC 9112 §5), or the empty line that ends the head. */
function fieldLine(head: Head, bytes: Uint8Array, start: number, limit: number, fieldsMax: number): number {
  if (start >= limit) return Verdict.incomplete;
  if (bytes[start] === CR) {
    const next = lineEnd(bytes, start, limit);
    if (next > 0) head.phase = HeadPhase.done;
    return next;
  }
  if (head.count >= fieldsMax) return Verdict.too_large;
  let at = start;
  let classes = 0;
  for (; at < limit; at++) {
    const own = CLASS[bytes[at]];
    if ((own & CharClass.token) === 0) break;
    classes |= own;
  }
  if (at === limit) return Verdict.incomplete;
  const nameEnd = at;
  if (nameEnd === start || bytes[at] !== COLON) return Verdict.invalid;
  at++;
  while (at < limit && (bytes[at] === SP || bytes[at] === HTAB)) at++;
  const valueStart = at;
  while (at < limit && (CLASS[bytes[at]] & CharClass.value) !== 0) at++;
  const next = lineEnd(bytes, at, limit);
  if (next < 0) return next;
  let valueEnd = at;
  while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--;
  head.push(start, nameEnd, valueStart, valueEnd, (classes & CharClass.separator) !== 0);
  return next;
}

/** CRLF and nothing else (RFC 9112 §2.2 lets a recipient take a bare LF; this one does not). */
export function lineEnd(bytes: Uint8Array, at: number, limit: number): number {
  if (at >= limit) return Verdict.incomplete;
  if (bytes[at] !== CR) return Verdict.invalid;
  if (at + 1 >= limit) return Verdict.incomplete;
  return bytes[at + 1] === LF ? at + 2 : Verdict.invalid;
}

const VERSION = [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e]; // "HTTP/1."

/** HTTP-version, 1.0 or 1.1 only. Sets `head.minorVersion`. @returns The index behind it, or a verdict. */
export function version(head: Head, bytes: Uint8Array, start: number, limit: number): number {
  for (let i = 0; i < VERSION.length; i++) {
    if (start + i >= limit) return Verdict.incomplete;
    if (bytes[start + i] !== VERSION[i]) return Verdict.invalid;
  }
  const at = start + VERSION.length;
  if (at >= limit) return Verdict.incomplete;
  const minor = bytes[at] - 0x30;
  if (minor !== 0 && minor !== 1) return Verdict.invalid;
  head.minorVersion = minor;
  return at + 1;
}
