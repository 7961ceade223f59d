/**
 * Consistent hashing: the same key goes to the same backend, whatever else changes, as far as it can.
 *
 * The table (`maglev_table.ts`) is over all members and is not rebuilt when health changes. A key whose backend is out
 * (or was tried by this exchange) probes further entries in an order that follows from the key alone: its substitute is
 * the same at every request, all substitutes together share the load by weight, and the key returns home when its
 * backend does. Walking on to the next entry would do as well, but mixing the hash anew needs no thought about
 * neighbours. When nearly all are out the bounded probe may find nobody: then the indexes are scanned in order, from
 * a place that the key decides.
 */

import { lowestBit } from "../lib/base/bits.ts";
import { mixBits } from "../lib/base/hash.ts";
import { createMaglevTable } from "./maglev_table.ts";
import type { Members } from "./members.ts";
import type { PickInput, Selector, SelectorSpec } from "./selector.ts";

/** With nine of ten out, 29 of 30 keys need no scan. */
const PROBES_MAX = 32;

/** 2³² divided by the golden ratio, odd: steps through all 32-bit numbers, far apart. */
const PROBE_STEP = 0x9e3779b9;

export class ConsistentHash implements Selector {
  readonly #eligible: Int32Array;
  readonly #members: Int32Array;
  readonly #entries: Uint16Array;
  readonly #count: number;
  readonly #fallback: Selector;

  constructor(spec: SelectorSpec, members: Members, fallback: Selector) {
    this.#eligible = spec.eligible;
    this.#members = members.words;
    this.#entries = createMaglevTable(members.indexes.map((index) => ({
      index,
      identity: spec.identities[index],
      weight: spec.weights[index],
    })));
    this.#count = spec.weights.length;
    this.#fallback = fallback;
  }

  pick(input: PickInput): number {
    if (input.keyHash === -1) return this.#fallback.pick(input);
    const entries = this.#entries;
    let hash = input.keyHash >>> 0;
    for (let probe = 1; probe <= PROBES_MAX; probe++) {
      const index = entries[hash % entries.length];
      const w = index >>> 5;
      if ((this.#eligible[w] & ~input.tried[w] & (1 << (index & 31))) !== 0) return index;
      hash = mixBits(input.keyHash + Math.imul(probe, PROBE_STEP));
    }
    return this.#scan(input, hash % this.#count);
  }

  /** The first available index from `start` on, cyclically. */
  #scan(input: PickInput, start: number): number {
    const words = this.#members.length;
    let w = start >>> 5;
    let within = -1 << (start & 31);
    for (let step = 0; step <= words; step++) {
      const available = this.#eligible[w] & this.#members[w] & ~input.tried[w] & within;
      if (available !== 0) return (w << 5) | lowestBit(available);
      within = -1;
      w = w + 1 === words ? 0 : w + 1;
    }
    return -1;
  }
}
