/** What the health machine says about itself: states, reasons, and which failures a backend answers for. */

import { ERROR_TRAITS, type ErrorCode } from "../base/errors.ts";

/** `draining` and `disabled` are the operator's; neither takes new exchanges, and `disabled` is not probed either. */
export const HEALTH_STATES = ["healthy", "slow_start", "open", "probation", "draining", "disabled"] as const;

export type HealthState = typeof HEALTH_STATES[number];

/** `bad_status`: a response came whose status counts as a failure. */
export type FailureCode = ErrorCode | "bad_status";

export type HealthReasonCode =
  | FailureCode
  /** The share of failures in the window. */
  | "error_rate"
  /** The request that probation let through succeeded. */
  | "trial_passed"
  | "probes_passed"
  | "wait_over"
  | "ramp_over"
  | "join"
  | AdminCommand;

export type AdminCommand = "drain" | "disable" | "enable";

export interface HealthReason {
  readonly cause: "traffic" | "probe" | "admin" | "timer" | "join";
  readonly code: HealthReasonCode;
  /** How many reports led to it; `wait_over`: how often the circuit has opened. 0 when counting means nothing. */
  readonly count: number;
}

/** From `open` to `open`: probes have joined or left, which changes reason and end. */
export interface HealthChange {
  readonly from: HealthState;
  readonly to: HealthState;
  readonly reason: HealthReason;
  readonly atMs: number;
  /** When the wait of `open` ends; -1 when it lasts until probes pass, and in other states. */
  readonly untilMs: number;
}

/** For people: `connect_refused × 5 (traffic)`. */
export function describeReason(reason: HealthReason): string {
  const times = reason.count > 1 ? ` × ${reason.count}` : "";
  return `${reason.code}${times} (${reason.cause})`;
}

/**
 * Whether a failure says something about the backend: what clients did and what sluice itself refused does not, nor
 * does an upgrade that was declined with a good response.
 */
export function isBackendFault(code: FailureCode): boolean {
  return FAULTS[code];
}

/** Whether the backend could not even be reached: no connection came up, so nobody there could have answered. */
export function isUnreachable(code: FailureCode): boolean {
  return UNREACHABLE[code];
}

/**
 * @param ranges Inclusive, within 100 to 599.
 * @returns Indexed by status, 0 to 599: 1 when it counts as a failure.
 */
export function statusTable(ranges: ReadonlyArray<{ readonly from: number; readonly to: number }>): Uint8Array {
  const table = new Uint8Array(600);
  for (const { from, to } of ranges) table.fill(1, from, to + 1);
  return table;
}

const FAULTS = tabulate((code) => ERROR_TRAITS[code].source === "upstream" && code !== "upgrade_failed", true);
const UNREACHABLE = tabulate(
  (code) => ERROR_TRAITS[code].source === "upstream" && ERROR_TRAITS[code].delivered === "none",
  false,
);

function tabulate(claim: (code: ErrorCode) => boolean, badStatus: boolean): Readonly<Record<FailureCode, boolean>> {
  const codes = Object.keys(ERROR_TRAITS) as ErrorCode[];
  const table = Object.fromEntries(codes.map((code) => [code, claim(code)])) as Record<ErrorCode, boolean>;
  return { ...table, bad_status: badStatus };
}
