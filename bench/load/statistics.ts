/** Orders and medians. */

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("Cannot take the median of nothing");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Starts one place further each round, and every other round goes backwards. @param round From 1. */
export function roundOrder<T>(contenders: readonly T[], round: number): T[] {
  const start = (round - 1) % Math.max(1, contenders.length);
  const rotated = [...contenders.slice(start), ...contenders.slice(0, start)];
  return round % 2 === 0 ? rotated.reverse() : rotated;
}

/**
 * Where the median of what `values` are drawn from lies in 95 of 100 cases: two order statistics, by the binomial
 * distribution's normal approximation. It assumes nothing about the shape of the noise.
 */
export function medianInterval(values: readonly number[]): readonly [low: number, high: number] {
  if (values.length === 0) throw new RangeError("Cannot take the interval of nothing");
  const sorted = [...values].sort((a, b) => a - b);
  const { length } = sorted;
  const low = Math.max(0, Math.floor((length - 1.96 * Math.sqrt(length)) / 2));
  return [sorted[low], sorted[length - 1 - low]];
}
