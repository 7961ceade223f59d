/**
 * A fast 32-bit hash of text (MurmurHash3 x86_32, two UTF-16 code units a block).
 *
 * For spreading keys over backends, where speed and avalanche count. It is not keyed: who can choose keys can choose
 * collisions, so nothing may depend on there being none. FNV-1a was rejected: one multiplication per unit, and its
 * high bits of short keys hardly differ.
 */

const BLOCK_FACTOR_1 = 0xcc9e2d51 | 0;
const BLOCK_FACTOR_2 = 0x1b873593;

/**
 * @param seed Low 32 bits count; other seeds give independent hashes of the same text.
 * @returns Unsigned, 0 to 2³² - 1.
 */
export function hashText(text: string, seed: number): number {
  const length = text.length;
  let hash = seed | 0;
  let at = 0;
  for (; at + 1 < length; at += 2) {
    const block = mixBlock(text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16));
    hash ^= block;
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  if (at < length) hash ^= mixBlock(text.charCodeAt(at));
  return mixBits(hash ^ (length << 1));
}

/**
 * MurmurHash3's finaliser: a bijection of 32-bit numbers in which each input bit turns half of the output bits.
 *
 * @returns Unsigned.
 */
export function mixBits(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

function mixBlock(units: number): number {
  const block = Math.imul(units, BLOCK_FACTOR_1);
  return Math.imul((block << 15) | (block >>> 17), BLOCK_FACTOR_2);
}
