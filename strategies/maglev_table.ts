/**
 * The look-up table of Maglev hashing (Eisenbud et al., NSDI 2016, §3.4).
 *
 * Every member has its own order of preference over all entries, made from its identity alone. Members take turns and
 * each claims the first entry of its order that is still free, until none is. A look-up is then one array access, shares
 * are even to about one part in a hundred, and a member that joins or leaves moves little more than its own share.
 *
 * Weights: the heaviest member claims at every turn, the others at a proportional part of the turns (as in Envoy).
 *
 * A ring of points was rejected: a binary search per look-up, and uneven shares unless it has thousands of points.
 * Turns go by identity, not by index: reordering the configuration moves no key.
 */

import { hashText } from "../lib/base/hash.ts";

/**
 * Entries of the table: the first that gives each member a hundred. Primes, so that every step visits all entries.
 *
 * The smallest is the paper's own, even for two members: keys are mapped by remainder, so a change of size moves nearly
 * every key, and must not happen when a small upstream gets one backend more. It is 128 KiB.
 */
const TABLE_SIZES = [65_537, 655_373, 1_048_583] as const;
const ENTRIES_PER_MEMBER = 100;

const OFFSET_SEED = 0x6f666673;
const STEP_SEED = 0x73746570;

export interface MaglevMember {
  readonly index: number;
  readonly identity: string;
  /** 1 to 65535. */
  readonly weight: number;
}

/**
 * Builds the table: entry → index.
 *
 * @param members At least one.
 */
export function createMaglevTable(members: readonly MaglevMember[]): Uint16Array {
  const size = tableSize(members.length);
  const ordered = [...members].sort(byIdentity);
  const count = ordered.length;
  const heaviest = Math.max(...ordered.map((member) => member.weight));
  const cursors = Uint32Array.from(ordered, (member) => hashText(member.identity, OFFSET_SEED) % size);
  const steps = Uint32Array.from(ordered, (member) => hashText(member.identity, STEP_SEED) % (size - 1) + 1);
  const credits = new Float64Array(count);
  const entries = new Uint16Array(size);
  const isTaken = new Uint8Array(size);
  let taken = 0;
  while (true) {
    for (let m = 0; m < count; m++) {
      credits[m] += ordered[m].weight;
      if (credits[m] < heaviest) continue;
      credits[m] -= heaviest;
      let entry = cursors[m];
      while (isTaken[entry] === 1) entry = advance(entry, steps[m], size);
      isTaken[entry] = 1;
      entries[entry] = ordered[m].index;
      cursors[m] = advance(entry, steps[m], size);
      taken++;
      if (taken === size) return entries;
    }
  }
}

function tableSize(count: number): number {
  return TABLE_SIZES.find((size) => size >= count * ENTRIES_PER_MEMBER) ?? TABLE_SIZES[TABLE_SIZES.length - 1];
}

function advance(entry: number, step: number, size: number): number {
  const next = entry + step;
  return next >= size ? next - size : next;
}

function byIdentity(a: MaglevMember, b: MaglevMember): number {
  if (a.identity === b.identity) return a.index - b.index;
  return a.identity < b.identity ? -1 : 1;
}
