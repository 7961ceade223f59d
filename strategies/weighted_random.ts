/**
 * Random in proportion to weight.
 *
 * An alias table (Walker 1977, Vose 1991) over all members draws in constant time but knows nothing of health. A draw
 * that hits one who is not available is thrown away and repeated: what remains has the right proportions among the
 * available. After `DRAWS_MAX` misses an exact scan over the available decides, which has the same proportions, so the
 * bound costs no bias. Rebuilding the table when health changes was rejected: selectors are not told of changes.
 */

import { clearBit, hasBit, lowestBit } from "../lib/base/bits.ts";
import type { RandomSource } from "../lib/base/random.ts";
import { copyAvailable, type Members } from "./members.ts";
import { createSource, type Draw, DRAWS_MAX } from "./random.ts";
import type { PickInput, SelectorSpec } from "./selector.ts";

export class WeightedRandom implements Draw {
  readonly #eligible: Int32Array;
  readonly #members: Int32Array;
  readonly #available: Int32Array;
  readonly #weights: Float64Array;
  readonly #table: AliasTable;
  readonly #random: RandomSource;

  constructor(spec: SelectorSpec, members: Members) {
    this.#eligible = spec.eligible;
    this.#members = members.words;
    this.#available = new Int32Array(members.words.length);
    this.#weights = members.weights;
    this.#table = createAliasTable(members);
    this.#random = createSource(spec);
  }

  pick(input: PickInput): number {
    copyAvailable(this.#available, this.#eligible, this.#members, input.tried);
    return this.#draw();
  }

  pickPair(input: PickInput): number {
    copyAvailable(this.#available, this.#eligible, this.#members, input.tried);
    const first = this.#draw();
    if (first === -1) return -1;
    clearBit(this.#available, first);
    const second = this.#draw();
    return (first << 16) | (second === -1 ? first : second);
  }

  #draw(): number {
    const { columns, thresholds, aliases } = this.#table;
    for (let attempt = 0; attempt < DRAWS_MAX; attempt++) {
      const column = this.#random.below(columns.length);
      const index = this.#random.bits() < thresholds[column] ? columns[column] : aliases[column];
      if (hasBit(this.#available, index)) return index;
    }
    return this.#scan();
  }

  #scan(): number {
    const available = this.#available;
    const weights = this.#weights;
    let total = 0;
    for (let w = 0; w < available.length; w++) {
      for (let rest = available[w]; rest !== 0; rest &= rest - 1) total += weights[(w << 5) | lowestBit(rest)];
    }
    if (total === 0) return -1;
    let left = this.#random.below(total); // 8192 members of 65535 stay below 2³¹
    for (let w = 0; w < available.length; w++) {
      for (let rest = available[w]; rest !== 0; rest &= rest - 1) {
        const index = (w << 5) | lowestBit(rest);
        left -= weights[index];
        if (left < 0) return index;
      }
    }
    return -1; // Not reached: weights are whole numbers, and `left` started below `total`.
  }
}

/** 32 signed random bits below a column's threshold mean its own index, others its alias. */
interface AliasTable {
  readonly columns: Int32Array;
  readonly thresholds: Float64Array;
  readonly aliases: Int32Array;
}

function createAliasTable(members: Members): AliasTable {
  const columns = Int32Array.from(members.indexes);
  const count = columns.length;
  const total = members.weights.reduce((sum, weight) => sum + weight, 0);
  const shares = Float64Array.from(columns, (index) => members.weights[index] * count / total);
  const thresholds = new Float64Array(count).fill(Infinity);
  const aliases = Int32Array.from(columns);
  const poor: number[] = [];
  const rich: number[] = [];
  shares.forEach((share, column) => (share < 1 ? poor : rich).push(column));
  while (poor.length > 0 && rich.length > 0) {
    const column = poor.pop()!;
    const giver = rich[rich.length - 1];
    thresholds[column] = (shares[column] - 0.5) * 0x1_0000_0000;
    aliases[column] = columns[giver];
    shares[giver] -= 1 - shares[column];
    if (shares[giver] < 1) poor.push(rich.pop()!);
  }
  return { columns, thresholds, aliases };
}
