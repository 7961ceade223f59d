/**
 * What one pool says about itself, in the row of the backend that it was made for.
 *
 * Several pools may share a row, when a reload has changed a backend's settings and the old one drains. So each adds
 * what has changed since it spoke last, and takes its gauges back at its end; its counters stay.
 */

import { observeDuration } from "../observe/histogram.ts";
import { BACKEND, backendAt } from "../observe/metrics_layout.ts";
import type { MetricsBlock } from "../observe/metrics_store.ts";
import type { Pool } from "../transport/pool.ts";

export class PoolMetrics {
  readonly row: number;
  readonly #block: MetricsBlock;
  readonly #at: number;
  #active = 0;
  #idle = 0;
  #waiting = 0;
  #opened = 0;
  #reused = 0;

  constructor(row: number, block: MetricsBlock) {
    this.row = row;
    this.#block = block;
    this.#at = backendAt(row);
  }

  /** A connection was opened. @param tlsMs -1 without TLS. */
  dialled(connectMs: number, tlsMs: number): void {
    observeDuration(this.#block, this.#at + BACKEND.connect, connectMs);
    if (tlsMs >= 0) observeDuration(this.#block, this.#at + BACKEND.tls, tlsMs);
  }

  /** To be called some times a second, and when the pool is closed. */
  publish({ activeCount, idleCount, waitingCount, opened, reused }: Readonly<PoolCounts>): void {
    const block = this.#block;
    const at = this.#at;
    block[at + BACKEND.poolActive] += activeCount - this.#active;
    block[at + BACKEND.poolIdle] += idleCount - this.#idle;
    block[at + BACKEND.poolWaiting] += waitingCount - this.#waiting;
    block[at + BACKEND.poolOpened] += opened - this.#opened;
    block[at + BACKEND.poolReused] += reused - this.#reused;
    this.#active = activeCount;
    this.#idle = idleCount;
    this.#waiting = waitingCount;
    this.#opened = opened;
    this.#reused = reused;
  }
}

type PoolCounts = Pick<Pool, "activeCount" | "idleCount" | "waitingCount" | "opened" | "reused">;
