/** The blocks of all threads, added up as they are read. */

import {
  BACKEND,
  backendAt,
  BLOCK_BYTES,
  BLOCK_LENGTH,
  GLOBAL,
  ROW_WIDTH,
  rowAt,
  type RowKind,
  ROWS_MAX,
} from "./layout.ts";

export type MetricsBlock = Float64Array<ArrayBufferLike>;

/** For who compiles beside nothing: stores beyond the end of a typed array do nothing. */
export const NO_BLOCK: MetricsBlock = new Float64Array(0);

export function createBlock({ isShared }: { readonly isShared: boolean }): MetricsBlock {
  return new Float64Array(isShared ? new SharedArrayBuffer(BLOCK_BYTES) : new ArrayBuffer(BLOCK_BYTES));
}

/** The block that another thread was sent. */
export function blockOver(buffer: SharedArrayBuffer): MetricsBlock {
  return new Float64Array(buffer, 0, BLOCK_LENGTH);
}

const GAUGES_OF_BACKEND = [
  BACKEND.inFlight,
  BACKEND.poolActive,
  BACKEND.poolIdle,
  BACKEND.poolWaiting,
  BACKEND.poolTunnels,
] as const;

/** A thread died and another one takes its block: what it counted stays, what it held is gone. */
export function clearGauges(block: MetricsBlock): void {
  block[GLOBAL.exchanges] = 0;
  block[GLOBAL.plansAlive] = 0;
  for (let row = 0; row < ROWS_MAX.backend; row++) {
    const at = backendAt(row);
    for (const offset of GAUGES_OF_BACKEND) if (block[at + offset] !== 0) block[at + offset] = 0;
  }
}

export class MetricsStore {
  readonly #blocks: MetricsBlock[] = [];

  add(block: MetricsBlock): void {
    this.#blocks.push(block);
  }

  /** The sum of the numbers at `index` of all blocks. */
  sum(index: number): number {
    let sum = 0;
    for (const block of this.#blocks) sum += block[index];
    return sum;
  }

  max(index: number): number {
    let most = 0;
    for (const block of this.#blocks) most = Math.max(most, block[index]);
    return most;
  }

  /** The sums of a run of numbers, in a new array. */
  sums(at: number, length: number): Float64Array {
    const sums = new Float64Array(length);
    for (const block of this.#blocks) {
      for (let index = 0; index < length; index++) sums[index] += block[at + index];
    }
    return sums;
  }

  /** For a row that gets a new owner: nobody writes to it now. */
  clearRow(kind: RowKind, row: number): void {
    const at = rowAt(kind, row);
    for (const block of this.#blocks) block.fill(0, at, at + ROW_WIDTH[kind]);
  }
}
