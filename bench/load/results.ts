/** What a run of the bench leaves behind: `bench/results/<date>-<commit>.json`, and the report made from it. */

import type { Column, Values } from "./workload.ts";

export interface Results {
  readonly conditions: Conditions;
  readonly workloads: readonly WorkloadResults[];
}

export interface WorkloadResults {
  readonly name: string;
  readonly title: string;
  readonly columns: readonly Column[];
  /** "", or why nothing was measured. */
  readonly missing: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly contender: string;
  /** From 1. */
  readonly round: number;
  /** Empty when it is void. */
  readonly values: Values;
  /** "", or what was wrong. */
  readonly fault: string;
}

export interface Conditions {
  readonly commit: string;
  /** Year, month and day. */
  readonly date: string;
  readonly command: string;
  readonly machine: string;
  readonly loadAverage: string;
  readonly backend: string;
  readonly generators: readonly string[];
  /** Contender → version. */
  readonly versions: Readonly<Record<string, string>>;
  /** Contender → why it did not take part. */
  readonly skipped: Readonly<Record<string, string>>;
}
