/**
 * Counting durations without a loop.
 *
 * A duration falls into one of `CELLS` log-linear *cells*: sixteen to each power of two of 1/64 ms, so a cell is at most
 * 1/16 wide of what it holds. Cells give percentiles. The coarser *buckets* are what Prometheus is told (`le`). No cell
 * holds more than one bucket's bound, so the bucket is found from the cell with one comparison.
 *
 * Both live in a `Float64Array` that the caller gives, from an offset on: an exact count up to 2^53, and one plain store.
 */

/** Upper bounds of the buckets, inclusive, ms; the last bucket is for what is longer. */
export const BOUNDS_MS: readonly number[] = [
  ...[0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 250, 500, 750],
  ...[1000, 2500, 5000, 10_000, 30_000, 60_000],
];
export const BUCKETS = BOUNDS_MS.length + 1;
/** Numbers of one histogram: its buckets, not cumulative, then the sum in ms. */
export const HISTOGRAM_WIDTH = BUCKETS + 1;

const UNITS_PER_MS = 64;
const UNITS_MAX = 2 ** 31 - 1; // 9.3 hours: longer ones share the last cell
const STEPS_LOG2 = 4;
const STEPS = 1 << STEPS_LOG2;
export const CELLS = (31 - STEPS_LOG2 + 1) * STEPS;

const BOUNDS = Float64Array.from([...BOUNDS_MS, Infinity]);

/** @param ms Negative and NaN count as 0. */
export function cellOf(ms: number): number {
  const units = ms * UNITS_PER_MS;
  if (!(units >= STEPS)) return units > 0 ? units | 0 : 0;
  const whole = units < UNITS_MAX ? units | 0 : UNITS_MAX;
  const shift = 31 - STEPS_LOG2 - Math.clz32(whole);
  return (shift << STEPS_LOG2) + (whole >>> shift);
}

/** Where a cell begins, ms. Ends where the next one begins. */
export function cellFromMs(cell: number): number {
  if (cell < STEPS) return cell / UNITS_PER_MS;
  const shift = (cell >>> STEPS_LOG2) - 1;
  return (STEPS + (cell & (STEPS - 1))) * 2 ** shift / UNITS_PER_MS;
}

/** The lowest bucket that something of this cell may belong to; it or the one above it is the right one. */
const BUCKET_OF_CELL = Uint8Array.from(
  { length: CELLS },
  (_, cell) => BOUNDS.findIndex((bound) => bound >= cellFromMs(cell)),
);

export function bucketOf(ms: number): number {
  const bucket = BUCKET_OF_CELL[cellOf(ms)];
  return ms > BOUNDS[bucket] ? bucket + 1 : bucket;
}

/** Adds one duration to the histogram at `at`. */
export function observeDuration(block: Float64Array, at: number, ms: number): void {
  block[at + bucketOf(ms)]++;
  block[at + BUCKETS] += ms;
}

/**
 * The duration that a share of all is not longer than, ms; NaN when there is none. Off by less than 1/16.
 *
 * @param cells Counts, `CELLS` long.
 * @param share 0 to 1.
 */
export function quantileMs(cells: Float64Array, share: number): number {
  let total = 0;
  for (let cell = 0; cell < CELLS; cell++) total += cells[cell];
  if (total === 0) return NaN;
  let left = share * total;
  for (let cell = 0; cell < CELLS; cell++) {
    const count = cells[cell];
    if (count > 0 && left <= count) return between(cell, left / count);
    left -= count;
  }
  return between(CELLS - 1, 1);
}

function between(cell: number, share: number): number {
  const from = cellFromMs(cell);
  return from + (cellFromMs(cell + 1) - from) * share;
}
