/** What a plan, or the members of one upstream, hold of the shared resources. Each thing is given back once, all at a time. */

import type { BackendTable } from "../base/backend_table.ts";
import type { HealthMachine } from "../health/machine.ts";
import type { BackendConfig, UpstreamConfig } from "../config/types.ts";
import type { RowKind } from "../observe/metrics/layout.ts";
import type { Labels } from "../observe/metrics/rows.ts";
import type { RegistryEntry } from "./registry.ts";
import type { Resources } from "./resources.ts";
import type { BackendState, Held, MetricsRow } from "./types.ts";

export class Holdings implements Held {
  readonly backends: RegistryEntry<BackendState>[] = [];
  readonly machines: RegistryEntry<HealthMachine>[] = [];
  readonly #metricsRows: MetricsRow[] = [];
  readonly #resources: Resources;

  constructor(resources: Resources) {
    this.#resources = resources;
  }

  get table(): BackendTable {
    return this.#resources.backendRows.table;
  }

  acquireBackend(upstream: UpstreamConfig, backend: BackendConfig): BackendState {
    const entry = this.#resources.acquireBackend(upstream, backend);
    this.backends.push(entry);
    return entry.resource;
  }

  /** @param isJoining As `Resources.acquireMachine()` has it. */
  acquireMachine(upstream: UpstreamConfig, backend: BackendConfig, isJoining: boolean): HealthMachine {
    const entry = this.#resources.acquireMachine(upstream, backend, isJoining);
    this.machines.push(entry);
    return entry.resource;
  }

  acquireMetricsRow(kind: RowKind, labels: Labels): number {
    const row = this.#resources.metricsRows.acquire(kind, labels);
    this.#metricsRows.push({ kind, row });
    return row;
  }

  release(): void {
    for (const entry of this.backends) this.#resources.backends.release(entry);
    for (const entry of this.machines) this.#resources.machines.release(entry);
    for (const { kind, row } of this.#metricsRows) this.#resources.metricsRows.release(kind, row);
  }
}
