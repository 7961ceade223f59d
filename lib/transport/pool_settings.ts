/** What a pool is told, and what it needs of the outside. */

import type { Connection } from "./http1/connection.ts";
import type { Deadlines } from "./deadlines.ts";

export interface PoolSettings {
  /** In use for requests, idle and being opened; 0: no bound. */
  readonly connectionsMax: number;
  /** 0: no bound. */
  readonly tunnelsMax: number;
  readonly idleMax: number;
  readonly idleMin: number;
  readonly idleTimeoutMs: number;
  readonly ageMsMax: number;
  /** Exchanges per connection; 0: no limit. */
  readonly exchangesMax: number;
  readonly queueMax: number;
  readonly queueTimeoutMs: number;
}

export interface PoolContext {
  readonly deadlines: Deadlines;
  readonly descriptors: DescriptorBudget;
  nowMs(): number;
  /** @throws {ProxyError} */
  dial(): Promise<Connection>;
}

/** The descriptors of the process, which all pools share. */
export interface DescriptorBudget {
  /** Whether one more connection leaves enough for everything else. */
  mayOpen(nowMs: number): boolean;
  /** A connection is being opened; `closed()` is owed once for it. */
  opening(): void;
  closed(): void;
}

export const NO_BUDGET: DescriptorBudget = { mayOpen: () => true, opening() {}, closed() {} };
