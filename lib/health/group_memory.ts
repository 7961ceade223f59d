/**
 * What a health group writes and whoever admits requests reads: private to the thread, or laid over shared memory.
 *
 * All groups of one plan stand behind one another in one buffer, in the order of the upstreams: mask words, words of
 * steady members, one standing a member, each group on a word boundary. A plan's buffer is never changed in size or
 * used again, so a thread that is still on an old plan reads what belongs to it. Members that take the place of others
 * while a plan runs have a buffer of their own.
 */

export interface GroupMemory {
  /** Indexes that may be picked: index p is bit `p & 31` of word `p >>> 5`. */
  readonly eligible: Int32Array;
  /** Eligible primaries that do not ramp up; same form. */
  readonly steady: Int32Array;
  /** One `Standing` per index. */
  readonly standings: Uint8Array;
}

/** What the group makes of a member. `panic`: ejected by rule, eligible because the whole group panics. */
export const Standing = { out: 0, proven: 1, ejected: 2, spared: 3, panic: 4 } as const;

export function privateGroupMemory(members: number): GroupMemory {
  const words = maskWords(members);
  return {
    eligible: new Int32Array(words),
    steady: new Int32Array(words),
    standings: new Uint8Array(members),
  };
}

/** @param members Of each group of the plan. */
export function createPlanMemory(members: readonly number[]): SharedArrayBuffer {
  return new SharedArrayBuffer(members.reduce((bytes, count) => bytes + groupBytes(count), 0));
}

/** @returns The groups' parts of a plan's buffer, which other threads are sent as they are. */
export function groupMemories(buffer: SharedArrayBuffer, members: readonly number[]): readonly GroupMemory[] {
  let at = 0;
  return members.map((count) => {
    const words = maskWords(count);
    const memory: GroupMemory = {
      eligible: new Int32Array(buffer, at, words),
      steady: new Int32Array(buffer, at + 4 * words, words),
      standings: new Uint8Array(buffer, at + 8 * words, count),
    };
    at += groupBytes(count);
    return memory;
  });
}

function groupBytes(members: number): number {
  return 8 * maskWords(members) + 4 * Math.ceil(members / 4);
}

function maskWords(members: number): number {
  return (members + 31) >>> 5;
}
