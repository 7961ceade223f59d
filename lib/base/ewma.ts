/**
 * Peak-sensitive moving average of a backend's latency (the "peak EWMA" of Finagle and linkerd).
 *
 * A slower answer than the average replaces it at once; a faster one pulls it down by e^(-age/decay), so bad news is
 * believed at once and good news bit by bit. Without news the estimate fades towards 0, so that a backend nobody dares
 * to use is tried again. Pure but for the two columns of the table that `observeLatency` writes. All in milliseconds;
 * `nowMs` is the caller's monotonic clock.
 */

import type { BackendTable } from "./backend_table.ts";

/** Time in which an estimate fades to 1/e. Ten seconds is what Finagle and linkerd settled on. */
export const LATENCY_DECAY_MS = 10_000;

/** Least latency that is stored: 0 in the table means "never measured". */
export const LATENCY_MS_MIN = 0.001;

/**
 * Takes one measured time to the response head into the average of a row.
 *
 * @param sampleMs Less than `LATENCY_MS_MIN` (or not a number) counts as that.
 */
export function observeLatency(
  table: BackendTable,
  row: number,
  sampleMs: number,
  nowMs: number,
  decayMs: number,
): void {
  const sample = sampleMs >= LATENCY_MS_MIN ? sampleMs : LATENCY_MS_MIN;
  const current = table.latencyMs[row];
  if (sample >= current) {
    table.latencyMs[row] = sample;
  } else {
    const kept = decay(1, nowMs - table.latencyAtMs[row], decayMs);
    table.latencyMs[row] = current * kept + sample * (1 - kept);
  }
  table.latencyAtMs[row] = nowMs;
}

/**
 * What is left of a value after some time.
 *
 * Stops fading after 32 times `decayMs` (a factor of 10⁻¹⁴): an underflow to 0 would read as "never measured".
 *
 * @param ageMs Below 0 counts as 0: threads that share a table may disagree on the time a little.
 */
export function decay(valueMs: number, ageMs: number, decayMs: number): number {
  if (ageMs <= 0) return valueMs;
  const spans = ageMs / decayMs;
  return valueMs * Math.exp(spans < 32 ? -spans : -32);
}
