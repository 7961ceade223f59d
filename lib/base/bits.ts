/**
 * Sets of small numbers as bits of 32-bit words: member p is bit `p & 31` of word `p >>> 5`.
 *
 * Words are signed, as `Int32Array` and the bit operators give them, so bit 31 makes a word negative: test a word with
 * `!== 0`, never with `> 0`. Everything here is arithmetic on its arguments and allocates nothing, but for `maskOf()`.
 */

/** How many bits of one word are set. */
export function popcount(word: number): number {
  let pairs = word - ((word >>> 1) & 0x55555555);
  pairs = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((pairs + (pairs >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Index of the lowest set bit, 0 to 31; -1 for an empty word. */
export function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

/**
 * Index of the n-th set bit of a word, from the lowest.
 *
 * @param n 0 to `popcount(word) - 1`; beyond that the answer means nothing.
 */
function nthBit(word: number, n: number): number {
  let rest = word;
  for (let skip = n; skip > 0; skip--) rest &= rest - 1;
  return lowestBit(rest);
}

/** How many words hold `count` members. */
export function wordsFor(count: number): number {
  return (count + 31) >>> 5;
}

/** A mask with these members and room for `count`, at least one word. */
export function maskOf(members: Iterable<number>, count: number): Int32Array {
  const words = new Int32Array(Math.max(1, wordsFor(count)));
  for (const member of members) setBit(words, member);
  return words;
}

export function setBit(words: Int32Array, member: number): void {
  words[member >>> 5] |= 1 << (member & 31);
}

export function clearBit(words: Int32Array, member: number): void {
  words[member >>> 5] &= ~(1 << (member & 31));
}

/** @param member Within the mask. */
export function hasBit(words: Int32Array, member: number): boolean {
  return (words[member >>> 5] & (1 << (member & 31))) !== 0;
}

/** How many members a mask of several words has. */
export function countBits(words: Int32Array): number {
  let count = 0;
  for (let w = 0; w < words.length; w++) count += popcount(words[w]);
  return count;
}

/**
 * The n-th member of a mask of several words, in ascending order.
 *
 * @param n 0 to `countBits(words) - 1`.
 * @returns -1 when the mask has no more than `n` members.
 */
export function nthMember(words: Int32Array, n: number): number {
  let skip = n;
  for (let w = 0; w < words.length; w++) {
    const count = popcount(words[w]);
    if (skip < count) return (w << 5) | nthBit(words[w], skip);
    skip -= count;
  }
  return -1;
}
