/**
 * The metrics of the whole process, on the control side: the directory of rows, the blocks of all threads that serve, and
 * what only this side knows (health, reloads, the process itself).
 */

import type { HealthChange } from "../../health/reason.ts";
import { HEALTH_STATES } from "../../health/reason.ts";
import type { BackendFact, ConnectionsFact, HealthChangeCount, MetricsFacts } from "../../observe/metrics/facts.ts";
import { MetricsReader, type MetricsView } from "../../observe/metrics/reader.ts";
import { RowDirectory } from "../../observe/metrics/rows.ts";
import { createBlock, type MetricsBlock, MetricsStore } from "../../observe/metrics/store.ts";
import { renderMetrics } from "../../observe/metrics/text.ts";
import type { Plan } from "../../plan/types.ts";
import { processFacts } from "./process_facts.ts";

/** Series of changes of health. Beyond it they are counted as those of "(other)": reloads may bring ever new names. */
const HEALTH_SERIES_MAX = 10_000;
const OTHER = "(other)";

/** What is true at the moment of a scrape. */
export interface ScrapeFacts {
  readonly version: string;
  readonly plan: Plan;
  readonly workers: number;
  readonly workerRestarts: number;
  readonly connections: readonly ConnectionsFact[];
}

export class Metrics {
  readonly rows: RowDirectory;
  readonly blocks: readonly MetricsBlock[];
  readonly #store: MetricsStore = new MetricsStore();
  readonly #reader: MetricsReader;
  readonly #nowMs: () => number;
  readonly #healthChanges: Map<string, HealthChangeCount & { count: number }> = new Map();
  #reloadsOk = 0;
  #reloadsRefused = 0;
  #isLastReloadGood = true;

  /** @param threads That serve; with more than one the blocks are in shared memory. */
  constructor(threads: number, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.rows = new RowDirectory((kind, row) => this.#store.clearRow(kind, row));
    this.blocks = Array.from({ length: threads }, () => createBlock({ isShared: threads > 1 }));
    for (const block of this.blocks) this.#store.add(block);
    this.#reader = new MetricsReader(this.#store, this.rows, nowMs());
  }

  /** To be called once a second. */
  tick(): void {
    this.#reader.tick(this.#nowMs());
  }

  /** Another reason for the state that it is in is not counted. */
  healthChanged(upstream: string, backend: string, change: Pick<HealthChange, "from" | "to" | "reason">): void {
    const { from, to, reason } = change;
    if (from === to) return;
    const key = JSON.stringify([upstream, backend, to, reason.code]);
    const known = this.#healthChanges.get(key);
    if (known !== undefined) known.count++;
    else if (this.#healthChanges.size < HEALTH_SERIES_MAX || upstream === OTHER) {
      this.#healthChanges.set(key, { upstream, backend, to, reason: reason.code, count: 1 });
    } else this.healthChanged(OTHER, OTHER, change);
  }

  reloaded(isGood: boolean): void {
    this.#isLastReloadGood = isGood;
    if (isGood) this.#reloadsOk++;
    else this.#reloadsRefused++;
  }

  /** Rates and totals as they are now. */
  view(): MetricsView {
    return this.#reader.view(this.#nowMs());
  }

  /** Prometheus text. */
  render(facts: ScrapeFacts): string {
    return renderMetrics({
      store: this.#store,
      rows: this.rows,
      traffic: this.view().traffic(),
      facts: this.#factsOf(facts),
    });
  }

  #factsOf({ version, plan, workers, workerRestarts, connections }: ScrapeFacts): MetricsFacts {
    return {
      version,
      generation: plan.generation,
      reloadsOk: this.#reloadsOk,
      reloadsRefused: this.#reloadsRefused,
      isLastReloadGood: this.#isLastReloadGood,
      workers,
      workerRestarts,
      connections,
      backends: backendFacts(plan),
      healthStates: HEALTH_STATES,
      healthChanges: [...this.#healthChanges.values()],
      process: processFacts(),
    };
  }
}

function backendFacts(plan: Plan): readonly BackendFact[] {
  return [...plan.upstreams.values()].flatMap(({ name, members: { config, judged } }) =>
    (judged?.group.snapshot() ?? []).map(({ isEligible, state }, index) => ({
      upstream: name,
      backend: config.backends[index].name,
      isEligible,
      state,
      weight: config.backends[index].weight,
    }))
  );
}
