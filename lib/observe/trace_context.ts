/**
 * W3C Trace Context: `traceparent` and `tracestate`, and who is sampled.
 *
 * A `traceparent` that is not exactly right is as good as none: the trace begins anew here and the `tracestate` beside it
 * goes as well (W3C Trace Context §3.2, §3.3). A higher version is read as version 00 and answered with version 00.
 */

import { trimOws } from "../base/ows.ts";

/** What came with a request. */
export interface TraceParent {
  /** 32 digits, lower case. */
  readonly traceId: string;
  /** 16 digits: the span of whoever sent it. */
  readonly parentId: string;
  /** Those we know: `TraceFlag`. */
  readonly flags: number;
}

export const TraceFlag = {
  sampled: 0x01,
  /** Level 2: the trace id is random. Passed on as it came. */
  random: 0x02,
} as const;

const KNOWN_FLAGS = TraceFlag.sampled | TraceFlag.random;

const WELL_FORMED = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/s;
const VERSION_00_LENGTH = 55;
const NO_TRACE_ID = "0".repeat(32);
const NO_SPAN_ID = "0".repeat(16);

/** §3.3.1.3. Keys of both levels; a value may hold spaces but not end in one. */
const MEMBER = /^[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
const MEMBERS_MAX = 32;
/** §3.3.1.5: so much has to be passed on. More would be kept with every span that waits to be exported. */
const STATE_LENGTH_MAX = 512;
/** The first to go when it is too long. */
const LONG_MEMBER = 128;

/** How many of the 56 random bits that end a trace id a number holds exactly. */
const RANDOM_BITS = 52;

/** @returns Null when it is not valid, as a list of two is not. */
export function parseTraceparent(text: string): TraceParent | null {
  if (!WELL_FORMED.test(text) || text.startsWith("ff")) return null;
  if (text.length !== VERSION_00_LENGTH && text.startsWith("00")) return null;
  const traceId = text.slice(3, 35);
  const parentId = text.slice(36, 52);
  if (traceId === NO_TRACE_ID || parentId === NO_SPAN_ID) return null;
  return { traceId, parentId, flags: parseInt(text.slice(53, 55), 16) & KNOWN_FLAGS };
}

export function formatTraceparent(traceId: string, spanId: string, flags: number): string {
  return "00-" + traceId + "-" + spanId + "-0" + flags;
}

/**
 * @param text Lines joined by commas; null when there is none.
 * @returns What goes on: as it came but for empty members and spaces around them; "" when it is malformed. Above 512
 * characters whole members are left out, first those above 128, then from the end.
 */
export function propagatedTracestate(text: string | null): string {
  if (text === null) return "";
  let members = membersOf(text);
  if (members === null) return "";
  if (lengthOf(members) > STATE_LENGTH_MAX) members = members.filter((member) => member.length <= LONG_MEMBER);
  while (lengthOf(members) > STATE_LENGTH_MAX) members.pop();
  return members.join(",");
}

/** @param ratio 0 to 1. @returns For `isWithinRatio`. */
export function ratioThreshold(ratio: number): number {
  return Math.round((1 - ratio) * 2 ** RANDOM_BITS);
}

/**
 * Whether a trace is in the sample. Decided by the id, so that everybody with the same ratio or a higher one takes it,
 * too (the consistent sampling of OpenTelemetry: the last seven bytes against a threshold).
 */
export function isWithinRatio(traceId: string, threshold: number): boolean {
  return parseInt(traceId.slice(18, 31), 16) >= threshold;
}

/** One step for each character, whatever they are; nothing is kept of a list that is too long. @returns Null: malformed. */
function membersOf(text: string): string[] | null {
  const members: string[] = [];
  for (let start = 0; start <= text.length;) {
    let end = text.indexOf(",", start);
    if (end === -1) end = text.length;
    const member = trimOws(text, start, end);
    start = end + 1;
    if (member === "") continue;
    if (members.length === MEMBERS_MAX || !MEMBER.test(member)) return null;
    members.push(member);
  }
  return members;
}

function lengthOf(members: readonly string[]): number {
  return members.reduce((sum, member) => sum + member.length + 1, -1);
}
