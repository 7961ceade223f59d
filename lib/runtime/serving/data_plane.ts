/**
 * What serves: listeners and everything behind them, in this thread (`LocalDataPlane`) or in several (`WorkerPool`).
 * The control side (`sluice.ts`) loads, compiles, judges health and decides; it never touches an exchange.
 */

import type { ConnectionsFact } from "../../observe/metrics/facts.ts";
import type { WorkerView } from "../../admin/views.ts";
import type { LoadedConfig } from "../../config/load.ts";
import type { PlanHolder } from "../../plan/holder.ts";
import type { Members, Plan, UpstreamPlan } from "../../plan/types.ts";
import type { ErrorCount } from "../telemetry/error_tally.ts";

/** One of two follows. `commit` cannot fail. */
export interface DataPlaneChange {
  /** The listeners as they will be. */
  readonly listeners: readonly BoundListener[];
  /** From now on new exchanges run on the new plan: here at once, in other threads when it resolves. Never rejects. */
  commit(): Promise<void>;
  undo(): void;
}

/** One of two follows. `commit` cannot fail; after `undo` the members are the caller's to give back. */
export type MembersChange = Pick<DataPlaneChange, "commit" | "undo">;

export interface BoundListener {
  /** What tells it from others; see `listenerIdentity`. */
  readonly identity: string;
  readonly name: string;
  /** With the port that was found free where 0 was asked for. */
  readonly address: string;
}

/** For metrics. */
export interface ThreadCounts {
  /** That serve: 1 without worker threads. */
  readonly workers: number;
  readonly workerRestarts: number;
}

export interface DataPlane {
  readonly plans: PlanHolder;
  /** Exchanges under way. */
  readonly exchanges: number;
  /** In the order they were opened. */
  readonly listeners: readonly BoundListener[];
  /** Open connections of the listeners that count them; see `EngineListener.connections`. */
  readonly connections: readonly ConnectionsFact[];
  readonly workers: readonly WorkerView[];
  /** Takes the errors of exchanges since the last call. */
  takeErrors(): readonly ErrorCount[];
  /** Ends a worker at once, with what it has in flight; another takes its place. @returns Whether there is such a one. */
  restart(id: number): boolean;
  readonly threads: ThreadCounts;
  /** Writes what this thread knows into its block of metrics, before a scrape; others do so by themselves. */
  publish(): void;
  /** @throws {ListenError} {@link AccessLogError} and the like: nothing has changed then. */
  prepare(loaded: LoadedConfig, plan: Plan): Promise<DataPlaneChange>;
  /**
   * Members that are to take the place of those that an upstream of the current plan has.
   *
   * @throws {ListenError} Nothing has changed then.
   */
  prepareMembers(upstream: UpstreamPlan, members: Members): Promise<MembersChange>;
  setLogLevel(level: LoadedConfig["config"]["log"]["level"]): void;
  /**
   * Accepts no more, lets what is under way end within `drainMs`, then ends it.
   *
   * @returns Exchanges that had to be cut off.
   */
  shutdown(drainMs: number): Promise<number>;
}
