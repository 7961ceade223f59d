/**
 * Strings that were made before, found again by their bytes.
 *
 * The same few hosts come with every request, and the same targets often. Finding one costs a look at each byte, making
 * one costs a string for every eight, and two strings that are the same object compare at once wherever they are looked
 * up. bench/micro/wire_head_bench.ts: a host of 20 bytes made and validated 138 ns, found 44. One slot a hash: what collides is made anew and takes the slot, so nobody can make it grow or slow.
 */

import { takesFastPath } from "../base/fast_path.ts";
import { latin1 } from "./grammar.ts";

const SLOTS = 512;
/** Longer ones are seldom the same, and would be kept for long. */
const LENGTH_MAX = 128;

export class TextMemo {
  readonly #texts: string[] = new Array(SLOTS).fill("");
  /** Since the start: found here; made anew, whether or not it was kept. */
  hits = 0;
  misses = 0;

  /**
   * @param accepts Asked about a text that is not here yet: what it refuses is not kept, and so asked about each time.
   * @returns The bytes as text, one character a byte; null when it was refused.
   */
  text(bytes: Uint8Array, start: number, end: number, accepts: (text: string) => boolean): string | null {
    if (!takesFastPath()) return accepted(latin1(bytes, start, end), accepts);
    const slot = slotOf(bytes, start, end);
    const known = this.#texts[slot];
    if (isSame(known, bytes, start, end)) {
      this.hits++;
      return known;
    }
    this.misses++;
    const text = accepted(latin1(bytes, start, end), accepts);
    if (text !== null && text.length <= LENGTH_MAX) this.#texts[slot] = text;
    return text;
  }
}

function accepted(text: string, accepts: (text: string) => boolean): string | null {
  return accepts(text) ? text : null;
}

/** By the length, and bytes from all over: ids and pages differ at the end, mostly. */
function slotOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  let hash = length;
  const step = (length >> 3) + 1;
  for (let at = end - 1; at >= start; at -= step) hash = (Math.imul(hash, 31) + bytes[at]) | 0;
  return (hash ^ (hash >>> 9)) & (SLOTS - 1);
}

function isSame(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (text.length !== length || length === 0) return false;
  for (let at = 0; at < length; at++) if (text.charCodeAt(at) !== bytes[start + at]) return false;
  return true;
}
