/**
 * What an exchange asks of health, and what it brings back. Two kinds answer: the machine and the group themselves, where
 * one thread serves and judges; and their image in shared memory (`shared_health.ts`), in a worker thread.
 */

import type { FailureCode } from "./reason.ts";

/** The health of one backend. Each ticket of an admission is brought back once, by one of the three reports. */
export interface BackendHealth {
  /** Healthy or ramping up: takes as many requests as come. */
  readonly isInService: boolean;
  onTrafficSuccess(nowMs: number, ticket: number): void;
  /** @param code One that is not the backend's fault only gives the ticket back. */
  onTrafficFailure(code: FailureCode, nowMs: number, ticket: number): void;
  /** The request ended and says nothing about the backend. */
  releaseToken(ticket: number): void;
}

/** The health of one upstream in one plan. */
export interface GroupHealth {
  /** Indexes that selectors may pick: index p is bit `p & 31` of word `p >>> 5`. */
  readonly eligible: Int32Array;
  /**
   * The word of health on a pick.
   *
   * @param tried Indexes the exchange will not go to again, as mask words. After a refusal add this one, pick again.
   * @returns A ticket to bring back, or 0 when the request must go elsewhere.
   */
  admit(index: number, nowMs: number, tried: Int32Array): number;
}

/** What `admit` returns when the request must go elsewhere. */
export const REFUSED = 0;
