/** What a health machine says about itself at one moment, for the admin side. */

import type { HealthReason, HealthState } from "./reason.ts";

export interface HealthSnapshot {
  readonly state: HealthState;
  readonly reason: HealthReason;
  readonly sinceMs: number;
  readonly untilMs: number;
  /** The last wait, whether running or served; 0 before the first opening. */
  readonly waitMs: number;
  /** Openings in a row without a calm spell between them. */
  readonly openings: number;
  readonly consecutiveFailures: number;
  readonly windowRequests: number;
  readonly windowFailures: number;
  readonly probePasses: number;
  readonly probeFailures: number;
}
