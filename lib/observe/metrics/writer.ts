/** Writes samples from rows and facts, in the ways that metrics need. */

import { BUCKETS, HISTOGRAM_WIDTH } from "./histogram.ts";
import type { BackendFact, HealthChangeCount, MetricsFacts } from "./facts.ts";
import { BACKEND, CODES, NO_ROUTE_ROW, OTHER_ROW, ROW_KINDS, ROW_WIDTH, rowAt, type RowKind } from "./layout.ts";
import type { TrafficNumbers } from "./reader.ts";
import { LABEL_NAMES, type RowDirectory } from "./rows.ts";
import type { MetricsStore } from "./store.ts";
import type { MetricName } from "./table.ts";
import { labelText, PrometheusText } from "./prometheus_text.ts";

export interface MetricsSources {
  readonly store: MetricsStore;
  readonly rows: RowDirectory;
  readonly traffic: TrafficNumbers;
  readonly facts: MetricsFacts;
}

interface LabelledRow {
  readonly labels: string;
  readonly at: number;
}

interface Table {
  readonly label: string;
  readonly values: readonly string[];
  /** Numbers that are 0 are left out, but for this index; -1 for none. */
  readonly always: number;
}

export class MetricsWriter {
  readonly store: MetricsStore;
  readonly facts: MetricsFacts;
  readonly traffic: TrafficNumbers;
  readonly #text: PrometheusText = new PrometheusText();
  readonly #rows: Readonly<Record<RowKind, readonly LabelledRow[]>>;

  constructor({ store, rows, traffic, facts }: MetricsSources) {
    this.store = store;
    this.facts = facts;
    this.traffic = traffic;
    this.#rows = Object.fromEntries(
      ROW_KINDS.map((kind) => [kind, labelledRows(kind, { store, rows })]),
    ) as unknown as Record<RowKind, readonly LabelledRow[]>;
  }

  family(name: MetricName): void {
    this.#text.family(name);
  }

  toString(): string {
    return this.#text.toString();
  }

  value(value: number): void {
    this.#text.sample("", value);
  }

  known(value: number): void {
    if (value >= 0) this.#text.sample("", value);
  }

  rows(kind: RowKind, offset: number): void {
    for (const { labels, at } of this.#rows[kind]) this.#text.sample(labels, this.store.sum(at + offset));
  }

  /** A run of numbers, told apart by one more label. */
  byTable(kind: RowKind, offset: number, { label, values, always }: Table): void {
    for (const { labels, at } of this.#rows[kind]) {
      for (let index = 0; index < values.length; index++) {
        const count = this.store.sum(at + offset + index);
        if (count > 0 || index === always) this.#text.sample(`${labels},${label}="${values[index]}"`, count);
      }
    }
  }

  histograms(kind: RowKind, offset: number): void {
    for (const { labels, at } of this.#rows[kind]) {
      const numbers = this.store.sums(at + offset, HISTOGRAM_WIDTH);
      if (numbers.subarray(0, BUCKETS).some((count) => count > 0)) this.#text.histogram(labels, numbers);
    }
  }

  codes(at: number): void {
    for (let index = 0; index < CODES.length; index++) {
      const count = this.store.sum(at + index);
      if (count > 0) this.#text.sample(`reason="${CODES[index]}"`, count);
    }
  }

  connections(): void {
    for (const { listener, open } of this.facts.connections) {
      this.#text.sample(labelText(["listener"], [listener]), open);
    }
  }

  members(valueOf: (fact: BackendFact) => number): void {
    for (const fact of this.facts.backends) this.#text.sample(memberLabels(fact), valueOf(fact));
  }

  memberStates(): void {
    for (const fact of this.facts.backends) {
      const labels = memberLabels(fact);
      for (const state of this.facts.healthStates) {
        this.#text.sample(`${labels},state="${state}"`, state === fact.state ? 1 : 0);
      }
    }
  }

  healthChanges(): void {
    for (const change of this.facts.healthChanges) {
      this.#text.sample(`${memberLabels(change)},to="${change.to}",reason="${change.reason}"`, change.count);
    }
  }

  openings(): void {
    const counts = new Map<string, number>(this.facts.backends.map((fact) => [memberLabels(fact), 0]));
    for (const change of this.facts.healthChanges) {
      if (change.to !== "open") continue;
      const labels = memberLabels(change);
      counts.set(labels, (counts.get(labels) ?? 0) + change.count);
    }
    for (const [labels, count] of counts) this.#text.sample(labels, count);
  }

  poolConnections(): void {
    for (const { labels, at } of this.#rows.backend) {
      this.#text.sample(`${labels},state="active"`, this.store.sum(at + BACKEND.poolActive));
      this.#text.sample(`${labels},state="idle"`, this.store.sum(at + BACKEND.poolIdle));
      this.#text.sample(`${labels},state="tunnel"`, this.store.sum(at + BACKEND.poolTunnels));
    }
  }

  reloads(): void {
    this.#text.sample(`result="ok"`, this.facts.reloadsOk);
    this.#text.sample(`result="refused"`, this.facts.reloadsRefused);
  }

  buildInfo(): void {
    this.#text.sample(labelText(["version"], [this.facts.version]), 1);
  }
}

function memberLabels({ upstream, backend }: BackendFact | HealthChangeCount): string {
  return labelText(LABEL_NAMES.backend, [upstream, backend]);
}

/** Without the rows for the rest, as long as nothing has come there. */
function labelledRows(
  kind: RowKind,
  { store, rows }: { readonly store: MetricsStore; readonly rows: RowDirectory },
): readonly LabelledRow[] {
  return rows.assignments(kind)
    .map(({ row, labels }) => ({ row, at: rowAt(kind, row), labels: labelText(LABEL_NAMES[kind], labels) }))
    .filter(({ row, at }) => {
      const isForRest = row === OTHER_ROW || (kind === "route" && row === NO_ROUTE_ROW);
      return !isForRest || store.sums(at, ROW_WIDTH[kind]).some((count) => count !== 0);
    });
}
