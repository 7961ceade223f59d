/**
 * What plans share and reloads keep: pools, rows of the backend table and health machines, by identity.
 *
 * *Connection identity*: scheme, address, TLS settings and the pool's own settings. The same address in two upstreams with
 * the same settings is one pool and one in-flight count. *Health identity*: that plus the settings of probes and circuit,
 * so that upstreams which judge by different rules don't share a verdict.
 */

import type { Clock } from "../base/clock.ts";
import { HealthMachine } from "../health/machine.ts";
import type { HealthChange } from "../health/reason.ts";
import { BackendRows, type BackendRowSource, Registry, type RegistryEntry } from "./registry.ts";
import { createBackendTable } from "../base/backend_table.ts";
import { useFastPath } from "../base/fast_path.ts";
import type { BackendConfig, UpstreamConfig } from "../config/types.ts";
import {
  CHUNK_HEAD_BYTES_MAX,
  RESPONSE_FIELDS_MAX,
  RESPONSE_HEAD_BYTES_MAX,
  TRAILER_BYTES_MAX,
  TRAILER_FIELDS_MAX,
} from "../config/bounds.ts";
import { type MetricsRows, RowDirectory } from "../observe/metrics/rows.ts";
import { type MetricsBlock, NO_BLOCK } from "../observe/metrics/store.ts";
import { Connection } from "../transport/http1/connection.ts";
import type { ResponseBounds } from "../transport/http1/response_bounds.ts";
import type { Deadlines } from "../transport/deadlines.ts";
import { dial } from "../transport/dial.ts";
import { type FallbackFacts, PipelinePool } from "../transport/http1/pipeline_pool.ts";
import type { Descriptors } from "../transport/descriptors.ts";
import { Pool } from "../transport/pool.ts";
import { NO_BUDGET, type PoolSettings } from "../transport/pool_settings.ts";
import { PoolMetrics } from "./pool_metrics.ts";
import type { BackendState, Plan } from "./types.ts";

const RESPONSE_BOUNDS: ResponseBounds = {
  head: { bytesMax: RESPONSE_HEAD_BYTES_MAX, fieldsMax: RESPONSE_FIELDS_MAX, targetBytesMax: 0 },
  body: {
    chunkHeadBytesMax: CHUNK_HEAD_BYTES_MAX,
    trailerBytesMax: TRAILER_BYTES_MAX,
    trailerFieldsMax: TRAILER_FIELDS_MAX,
  },
};

export interface ResourceParts {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** Told of each change of a backend's health, for the log. */
  readonly onHealthChange: (upstream: string, backend: string, change: HealthChange) => void;
  /** A backend that can't take several requests on a connection gets one at a time for a while. */
  readonly onPipeliningFallback?: (backend: string, facts: FallbackFacts) => void;
  /** Default: as if there were always enough. */
  readonly descriptors?: Descriptors;
  /** Told how handshakes with a backend go: why one was refused; "" for one that went well. */
  readonly onTls?: (backend: string, problem: string) => void;
  /** Default: rows of a table of this thread's own. */
  readonly backendRows?: BackendRowSource;
  /** Default: numbers that nobody reads. */
  readonly metrics?: { readonly rows: MetricsRows; readonly block: MetricsBlock };
  /** Told of each machine before a group is made of it, and when nobody needs it any more. */
  readonly onMachine?: { made(machine: HealthMachine): void; gone(machine: HealthMachine): void };
}

export class Resources {
  readonly backendRows: BackendRowSource;
  readonly metricsRows: MetricsRows;
  readonly backends: Registry<BackendState>;
  readonly machines: Registry<HealthMachine>;
  readonly #parts: ResourceParts;
  readonly #block: MetricsBlock;
  /** Closed, and not heard of for the last time. */
  readonly #leaving: BackendState[] = [];

  constructor(parts: ResourceParts) {
    this.#parts = parts;
    const { rows, block } = parts.metrics ?? { rows: new RowDirectory(() => {}), block: NO_BLOCK };
    this.metricsRows = rows;
    this.#block = block;
    this.backendRows = parts.backendRows ?? new BackendRows(createBackendTable());
    this.backends = new Registry((state) => {
      state.pool.close();
      this.backendRows.give(state.row);
      if (!this.#hasLeft(state)) this.#leaving.push(state);
    });
    this.machines = new Registry((machine) => parts.onMachine?.gone(machine));
  }

  acquireBackend(upstream: UpstreamConfig, backend: BackendConfig): RegistryEntry<BackendState> {
    const settings = poolSettings(upstream, backend);
    const identity = poolIdentity(upstream, backend);
    return this.backends.acquire(identity, () => {
      const { clock, deadlines } = this.#parts;
      const metrics = new PoolMetrics(this.metricsRows.acquire("backend", [upstream.name, backend.name]), this.#block);
      const options = {
        address: backend.address,
        tls: upstream.tls,
        timeoutMs: upstream.dialTimeoutMs,
        onDialled: (connectMs: number, tlsMs: number) => metrics.dialled(connectMs, tlsMs),
        onTls: (problem: string) => this.#parts.onTls?.(pool.name, problem),
      };
      const name = `${upstream.name}/${backend.name}`;
      const nowMs = () => clock.nowMs();
      const pool: Pool = new Pool(name, settings, {
        deadlines,
        descriptors: this.#parts.descriptors ?? NO_BUDGET,
        nowMs,
        dial: async () => new Connection(await dial(options), RESPONSE_BOUNDS, clock.nowMs()),
      });
      const depthMax = upstream.pool.pipelining;
      const pipelines = depthMax === 1 ? null : new PipelinePool(pool, { ...settings, depthMax }, {
        deadlines,
        nowMs,
        onFallback: (facts) => this.#parts.onPipeliningFallback?.(name, facts),
      });
      return { row: this.backendRows.take(identity), pool, pipelines, metrics };
    });
  }

  /** @param isJoining The upstream is running already: a backend that is new in it may ramp up. */
  acquireMachine(upstream: UpstreamConfig, backend: BackendConfig, isJoining: boolean): RegistryEntry<HealthMachine> {
    const { health, circuit, slowStartMs } = upstream;
    return this.machines.acquire(healthIdentity(upstream, backend), () => {
      const state = isJoining && slowStartMs > 0 ? "slow_start" : "healthy";
      const nowMs = this.#parts.clock.nowMs();
      const machine = new HealthMachine(
        { health, circuit, slowStartMs },
        { nowMs, state },
        (change) => this.#parts.onHealthChange(upstream.name, backend.name, change),
      );
      this.#parts.onMachine?.made(machine);
      return machine;
    });
  }

  /**
   * Features that are not a part of the plan go by this one now. From now on only its backends keep idle connections, and
   * warm ones if it says so; others serve what is left of older plans.
   */
  serve(plan: Plan): void {
    useFastPath(plan.features.fastPath);
    const kept = new Set<BackendState>();
    for (const { members } of plan.upstreams.values()) {
      for (const { resource } of members.held.backends) kept.add(resource);
    }
    for (const state of this.backends.resources()) state.pool.keepIdle(kept.has(state), plan.features.prewarm);
    this.#renamePools(plan);
  }

  /** Metrics of a pool go by the first name that the running plan has for it. */
  #renamePools(plan: Plan): void {
    const named = new Set<Pool>();
    for (const [upstream, { members }] of plan.upstreams) {
      for (const { name, pool, metrics, metricsRow } of members.backends) {
        const { row } = metrics;
        if (named.has(pool)) continue;
        named.add(pool);
        if (row === metricsRow) continue;
        metrics.move(this.metricsRows.acquire("backend", [upstream, name]), pool);
        this.metricsRows.release("backend", row);
      }
    }
  }

  /** To be called about once a second. */
  sweep(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const state of this.backends.resources()) state.pool.sweep(nowMs);
  }

  /** Writes what pools know into the block of metrics. To be called some times a second. */
  publish(): void {
    for (const { pool, metrics } of this.backends.resources()) metrics.publish(pool);
    // The last exchanges of what is gone may still hold connections.
    for (let index = this.#leaving.length - 1; index >= 0; index--) {
      if (this.#hasLeft(this.#leaving[index])) this.#leaving.splice(index, 1);
    }
  }

  /** Whether a closed pool has said its last word: its row is given back then. */
  #hasLeft({ pool, metrics }: BackendState): boolean {
    metrics.publish(pool);
    if (!pool.isEmpty) return false;
    this.metricsRows.release("backend", metrics.row);
    return true;
  }

  /** Closes connections that nobody uses: others need the descriptors. */
  shedIdle(): void {
    for (const { pool } of this.backends.resources()) pool.shedIdle();
  }

  close(): void {
    for (const state of this.backends.resources()) state.pool.close();
  }
}

/** What a reload keeps a pool and its connections by: two backends of the same text share one. */
export function poolIdentity(upstream: UpstreamConfig, backend: BackendConfig): string {
  return connectionIdentity(upstream, backend) +
    JSON.stringify([poolSettings(upstream, backend), upstream.pool.pipelining]);
}

/** By it health machines are told apart: the connection, and the rules by which it is judged. */
export function healthIdentity(upstream: UpstreamConfig, backend: BackendConfig): string {
  const { health, circuit, slowStartMs } = upstream;
  return connectionIdentity(upstream, backend) + JSON.stringify([health, circuit, slowStartMs]);
}

export function connectionIdentity(upstream: UpstreamConfig, backend: BackendConfig): string {
  const { address } = backend;
  const isTls = address.kind === "tcp" && address.tls;
  return JSON.stringify([address, isTls ? upstream.tls : null, upstream.dialTimeoutMs]);
}

function poolSettings({ pool }: UpstreamConfig, backend: BackendConfig): PoolSettings {
  return {
    connectionsMax: backend.maxConnections > 0 ? backend.maxConnections : pool.maxConnections,
    tunnelsMax: pool.maxTunnels,
    idleMax: pool.maxIdle,
    idleMin: pool.minIdle,
    idleTimeoutMs: pool.idleTimeoutMs,
    ageMsMax: pool.maxAgeMs,
    exchangesMax: pool.maxRequests,
    queueMax: pool.queue,
    queueTimeoutMs: pool.queueTimeoutMs,
  };
}
