/**
 * How much of its usual traffic a backend gets while it ramps up (`slow_start`): its fraction of what is offered, evenly
 * spread, but everything when the exchange has no steady member left to go to. Pure; one per group and thread.
 */

/** A backend that ramps up starts with this share, or it would never meet the traffic that proves it. */
const RAMP_FLOOR = 0.1;

/** @returns 0.1 to 1, linear over `slowStartMs` (above 0). */
export function rampFraction(nowMs: number, sinceMs: number, slowStartMs: number): number {
  return Math.min(1, Math.max(RAMP_FLOOR, (nowMs - sinceMs) / slowStartMs));
}

export class Ramp {
  /** Eligible primaries that do not ramp up, as mask words; written by the health side. */
  readonly #steady: Int32Array;
  /** Requests owed to a member that ramps up, 0 to 1. */
  readonly #credits: Float64Array;

  constructor(members: number, steady: Int32Array) {
    this.#steady = steady;
    this.#credits = new Float64Array(members);
  }

  /** @param tried Indexes the exchange will not go to again, as mask words. */
  allows(index: number, fraction: number, tried: Int32Array): boolean {
    if (!this.#hasSteady(tried)) return true;
    const credit = this.#credits[index] + fraction;
    this.#credits[index] = credit >= 1 ? credit - 1 : credit;
    return credit >= 1;
  }

  #hasSteady(tried: Int32Array): boolean {
    for (let word = 0; word < this.#steady.length; word++) {
      if ((this.#steady[word] & ~tried[word]) !== 0) return true;
    }
    return false;
  }
}
