/**
 * Where a plan's health comes from: judged in this thread, or read from what another thread has judged.
 */

import type { BackendHealth, GroupHealth } from "../health/gate.ts";
import { HealthGroup } from "../health/group.ts";
import type { GroupMemory } from "../health/group_memory.ts";
import type { ReportWriter } from "../health/report.ts";
import type { Holdings } from "./holdings.ts";
import { SharedGroup, SharedMachine } from "../health/shared_health.ts";
import type { SharedState } from "../base/shared/shared_state.ts";
import type { UpstreamConfig } from "../config/types.ts";
import { healthIdentity } from "./resources.ts";
import type { Judged } from "./types.ts";

/** The health of one upstream. */
export interface UpstreamHealth {
  readonly group: GroupHealth;
  /** One per index. */
  readonly backends: readonly BackendHealth[];
  readonly judged: Judged | null;
}

/** For one plan, or the members of one upstream. */
export interface HealthSource {
  /** To be called for each upstream, in their order. @param held Where the machines are acquired. */
  healthOf(upstream: UpstreamConfig, held: Holdings): UpstreamHealth;
}

/** Machines and groups of this thread. */
export class JudgedHealth implements HealthSource {
  readonly #running: ReadonlySet<string>;
  readonly #memories: readonly GroupMemory[] | null;
  #upstreams = 0;

  /**
   * @param running Upstreams that serve already: backends that are new in them may ramp up.
   * @param memories Where groups write, one an upstream, for other threads to read; null: nobody else does.
   */
  constructor(running: ReadonlySet<string>, memories: readonly GroupMemory[] | null = null) {
    this.#running = running;
    this.#memories = memories;
  }

  healthOf(upstream: UpstreamConfig, held: Holdings): UpstreamHealth {
    const isJoining = this.#running.has(upstream.name);
    const machines = upstream.backends.map((backend) => held.acquireMachine(upstream, backend, isJoining));
    const members = upstream.backends.map(({ weight, backup }, index) => {
      return { machine: machines[index], weight, backup };
    });
    const group = new HealthGroup(members, upstream, this.#memories?.[this.#upstreams++]);
    return { group, backends: machines, judged: { group, machines } };
  }
}

/** In a worker thread: rows by health identity and memories as the control thread gave them. */
export class SharedHealth implements HealthSource {
  readonly #state: SharedState;
  readonly #writer: ReportWriter;
  readonly #rows: ReadonlyMap<string, number>;
  readonly #memories: readonly GroupMemory[];
  #upstreams = 0;

  constructor(
    parts: {
      state: SharedState;
      writer: ReportWriter;
      healthRows: ReadonlyMap<string, number>;
      memories: readonly GroupMemory[];
    },
  ) {
    this.#state = parts.state;
    this.#writer = parts.writer;
    this.#rows = parts.healthRows;
    this.#memories = parts.memories;
  }

  healthOf(upstream: UpstreamConfig): UpstreamHealth {
    const backends = upstream.backends.map((backend) =>
      new SharedMachine({
        columns: this.#state.health,
        row: this.#rows.get(healthIdentity(upstream, backend))!,
        writer: this.#writer,
        slowStartMs: upstream.slowStartMs,
      })
    );
    return { group: new SharedGroup(backends, this.#memories[this.#upstreams++]), backends, judged: null };
  }
}
