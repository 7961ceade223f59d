/**
 * Peak EWMA: of two different random ones, the one with the lower expected wait,
 * faded latency × (in flight + 1) / weight. The average itself is `lib/base/ewma.ts`.
 *
 * Two draws rather than a scan of all: a scan sends every thread and every request between two answers to the same
 * backend, and costs an exponential per member: 250 to 520 ns with 10 backends, 2.2 to 3.4 µs with 100, against 55 to 100
 * for the two draws of either (`bench/micro/strategies_bench.ts`).
 *
 * Two guards against floods, because a latency is learned only when an answer comes:
 *
 * - *Cold* (never measured): the first request goes there at once, but while one is in flight and nothing is known,
 *   everyone who has been measured is preferred. If all are cold, fewer in flight per weight decides.
 * - *Faded* (unused for long, so it looks fast): being picked counts as news. The estimate fades from the last answer
 *   or the last pick, whichever is later, so a pick puts it back to its full height until an answer corrects it. A
 *   backend that was slow gets one request each time its estimate has faded, not all until the first answer.
 */

import { decay, LATENCY_DECAY_MS } from "../lib/base/ewma.ts";
import type { Members } from "./members.ts";
import type { Draw } from "./random.ts";
import type { PickInput, Selector, SelectorSpec } from "./selector.ts";

/** Latency assumed of an unmeasured backend that has a request in flight, ms: more than any timeout. */
const COLD_PENALTY_MS = 1e12;

export class PeakEwma implements Selector {
  readonly #draw: Draw;
  readonly #weights: Float64Array;
  readonly #rows: Int32Array;
  readonly #inFlight: Int32Array;
  readonly #latencyMs: Float64Array;
  readonly #latencyAtMs: Float64Array;
  readonly #pickedAtMs: Float64Array;

  constructor(spec: SelectorSpec, members: Members, draw: Draw) {
    this.#draw = draw;
    this.#weights = members.weights;
    this.#rows = spec.rows;
    this.#inFlight = spec.table.inFlight;
    this.#latencyMs = spec.table.latencyMs;
    this.#latencyAtMs = spec.table.latencyAtMs;
    this.#pickedAtMs = new Float64Array(members.weights.length).fill(-Infinity);
  }

  pick(input: PickInput): number {
    const pair = this.#draw.pickPair(input);
    if (pair === -1) return -1;
    const first = pair >>> 16;
    const second = pair & 0xffff;
    const nowMs = input.nowMs;
    const picked = this.#score(second, nowMs) < this.#score(first, nowMs) ? second : first;
    this.#pickedAtMs[picked] = nowMs;
    return picked;
  }

  #score(index: number, nowMs: number): number {
    const row = this.#rows[index];
    const inFlight = this.#inFlight[row];
    const latencyMs = this.#latencyMs[row];
    if (latencyMs === 0) return inFlight === 0 ? 0 : COLD_PENALTY_MS * (inFlight + 1) / this.#weights[index];
    const newsAtMs = Math.max(this.#latencyAtMs[row], this.#pickedAtMs[index]);
    return decay(latencyMs, nowMs - newsAtMs, LATENCY_DECAY_MS) * (inFlight + 1) / this.#weights[index];
  }
}
