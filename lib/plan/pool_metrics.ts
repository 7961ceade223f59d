/**
 * What one pool says about itself, in the row of one backend: the first of the running plan that has the pool. A reload
 * may rename a backend whose pool it keeps; the pool moves then, and what it has counted stays under the old name.
 *
 * Several pools may share a row, when a reload has changed a backend's settings and the old one drains. So each adds
 * what has changed since it spoke last, and takes its gauges back at its end; its counters stay.
 */

import { observeDuration } from "../observe/metrics/histogram.ts";
import { BACKEND, backendAt } from "../observe/metrics/layout.ts";
import type { MetricsBlock } from "../observe/metrics/store.ts";
import type { Pool } from "../transport/pool.ts";

export class PoolMetrics {
  readonly #block: MetricsBlock;
  #row: number;
  #at: number;
  #active = 0;
  #idle = 0;
  #waiting = 0;
  #tunnels = 0;
  #opened = 0;
  #reused = 0;
  #pipelined = 0;
  #pipelineLost = 0;
  #pipelineFallbacks = 0;

  constructor(row: number, block: MetricsBlock) {
    this.#block = block;
    this.#row = row;
    this.#at = backendAt(row);
  }

  get row(): number {
    return this.#row;
  }

  /** @param counts Of the pool: what is new in them was counted under the old name. */
  move(row: number, counts: Readonly<PoolCounts>): void {
    const { opened, reused, pipelined, pipelineLost, pipelineFallbacks } = counts;
    const counters = { opened, reused, pipelined, pipelineLost, pipelineFallbacks };
    this.publish({ activeCount: 0, idleCount: 0, waitingCount: 0, tunnelCount: 0, ...counters });
    this.#row = row;
    this.#at = backendAt(row);
    this.publish(counts);
  }

  /** A connection was opened. @param tlsMs -1 without TLS. */
  dialled(connectMs: number, tlsMs: number): void {
    observeDuration(this.#block, this.#at + BACKEND.connect, connectMs);
    if (tlsMs >= 0) observeDuration(this.#block, this.#at + BACKEND.tls, tlsMs);
  }

  /** To be called some times a second, and when the pool is closed. */
  publish(counts: Readonly<PoolCounts>): void {
    const { activeCount, idleCount, waitingCount, opened, reused } = counts;
    const block = this.#block;
    const at = this.#at;
    block[at + BACKEND.poolActive] += activeCount - this.#active;
    block[at + BACKEND.poolIdle] += idleCount - this.#idle;
    block[at + BACKEND.poolWaiting] += waitingCount - this.#waiting;
    block[at + BACKEND.poolTunnels] += counts.tunnelCount - this.#tunnels;
    block[at + BACKEND.poolOpened] += opened - this.#opened;
    block[at + BACKEND.poolReused] += reused - this.#reused;
    block[at + BACKEND.pipelined] += counts.pipelined - this.#pipelined;
    block[at + BACKEND.pipelineLost] += counts.pipelineLost - this.#pipelineLost;
    block[at + BACKEND.pipelineFallbacks] += counts.pipelineFallbacks - this.#pipelineFallbacks;
    this.#active = activeCount;
    this.#idle = idleCount;
    this.#waiting = waitingCount;
    this.#tunnels = counts.tunnelCount;
    this.#opened = opened;
    this.#reused = reused;
    this.#pipelined = counts.pipelined;
    this.#pipelineLost = counts.pipelineLost;
    this.#pipelineFallbacks = counts.pipelineFallbacks;
  }
}

type PoolCounts = Pick<
  Pool,
  | "activeCount"
  | "idleCount"
  | "waitingCount"
  | "tunnelCount"
  | "opened"
  | "reused"
  | "pipelined"
  | "pipelineLost"
  | "pipelineFallbacks"
>;
