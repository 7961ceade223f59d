/** What a health machine is made from. */

/** What of an upstream's configuration the machine is made from. All of it is part of the health identity. */
export interface HealthSettings {
  /** null: no active probes. */
  readonly health: { readonly rise: number; readonly fall: number } | null;
  readonly circuit: {
    /** In a row; 0: off. */
    readonly failures: number;
    /** Above 0 to 1; 0: off. */
    readonly errorRate: number;
    readonly windowMs: number;
    readonly minRequests: number;
    readonly openMs: number;
    readonly maxOpenMs: number;
  };
  /** 0: none. */
  readonly slowStartMs: number;
}

export interface HealthInitial {
  readonly nowMs: number;
  /** `slow_start` is for a backend that joins a running upstream; it is `healthy` when none is configured. */
  readonly state: "healthy" | "slow_start" | "draining" | "disabled";
}
