/** What only the scraped thread knows, as the exposition wants it. */

/** One member of an upstream of the running configuration. */
export interface BackendFact {
  readonly upstream: string;
  readonly backend: string;
  readonly isEligible: boolean;
  readonly state: string;
  readonly weight: number;
}

export interface HealthChangeCount {
  readonly upstream: string;
  readonly backend: string;
  readonly to: string;
  readonly reason: string;
  readonly count: number;
}

/** Open connections of clients at one listener that knows, over all threads. */
export interface ConnectionsFact {
  readonly listener: string;
  readonly open: number;
}

/** A number below 0: not known, and left out. */
export interface ProcessFacts {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  readonly startedAtSeconds: number;
  readonly openDescriptors: number;
}

export interface MetricsFacts {
  readonly version: string;
  readonly generation: number;
  readonly reloadsOk: number;
  readonly reloadsRefused: number;
  readonly isLastReloadGood: boolean;
  readonly workers: number;
  readonly workerRestarts: number;
  readonly connections: readonly ConnectionsFact[];
  readonly backends: readonly BackendFact[];
  /** All that a backend can be in. */
  readonly healthStates: readonly string[];
  readonly healthChanges: readonly HealthChangeCount[];
  readonly process: ProcessFacts;
}
