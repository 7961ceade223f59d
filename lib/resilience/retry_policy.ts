/**
 * Whether a failed attempt is tried again: one pure function over facts, no state, nothing allocated.
 *
 * Two questions, safety first. *May* it be repeated? That depends on what the backend may have seen (RFC 9110 §9.2.2):
 * when no connection came up, any method may; once a byte may have gone out, only those that the configuration calls
 * repeatable, or a request with `Idempotency-Key`. Never when the body cannot be sent again whole, or when the client has
 * a response head already. *Should* it? Only for what `on` names, within `attempts`, within the budget.
 *
 * A pooled connection that the backend closed while we wrote to it is nobody's failure (RFC 9112 §9.3.1): such an attempt
 * is repeated once under the same safety rules, whatever the second question says, and not counted.
 *
 * sluice's own refusals (a full queue, no descriptors, shutting down) are never retried: there is too much work already.
 */

import { ERROR_TRAITS, type ErrorCode } from "../base/errors.ts";

/** The `retry` part of an upstream's configuration. */
export interface RetryConfigShape {
  /** In all, the first included. */
  readonly attempts: number;
  readonly on: {
    readonly connect: boolean;
    readonly reset: boolean;
    readonly timeout: boolean;
    readonly statuses: readonly number[];
  };
  /** Upper case. */
  readonly methods: readonly string[];
}

/** `RetryConfigShape`, made ready for look-ups. */
export interface RetrySettings {
  readonly attempts: number;
  /** Indexed by category, 1 when it is retried. */
  readonly categories: Uint8Array;
  /** Indexed by status, 0 to 599, 1 when it is retried. */
  readonly statuses: Uint8Array;
  readonly methods: ReadonlySet<string>;
}

/** What is known after an attempt. Read during the call only, so that one object can serve an exchange. */
export interface RetryFacts {
  /** "": a response came, and `status` says which. */
  readonly code: ErrorCode | "";
  /** The status of the response, 100 to 599; not read when there is a code. */
  readonly status: number;
  readonly method: string;
  readonly hasIdempotencyKey: boolean;
  /** There is no body, none of it was consumed, or all of it is buffered. */
  readonly bodyIntact: boolean;
  /** A final response head went downstream. */
  readonly headSentDown: boolean;
  /** Made and counted so far, the failed one included. */
  readonly attempts: number;
  readonly budgetAvailable: boolean;
  /** The connection had served before, and ended before the first byte of this response. */
  readonly staleConnection: boolean;
  /** An uncounted retry was spent on this exchange. */
  readonly staleRetried: boolean;
}

/** Above 0: try again. The others say what stood in the way first, in this order. */
export const RETRY_VERDICTS = {
  yes: 1,
  yes_uncounted: 2,
  no_head_sent: -1,
  no_not_retryable: -2,
  no_body: -3,
  no_method: -4,
  no_not_configured: -5,
  no_attempts: -6,
  no_budget: -7,
} as const;

export type RetryVerdictName = keyof typeof RETRY_VERDICTS;
export type RetryVerdict = typeof RETRY_VERDICTS[RetryVerdictName];

const CATEGORY_NONE = 0;
const CATEGORY_CONNECT = 1;
const CATEGORY_RESET = 2;
const CATEGORY_TIMEOUT = 3;

/** A connect that times out is a connect: nothing was sent, which is what the user asks about. */
const CATEGORIES: Readonly<Record<ErrorCode, number>> = mapCodes((code) => {
  switch (code) {
    case "connect_refused":
    case "connect_unreachable":
    case "connect_failed":
    case "connect_timeout":
    case "dns_failed":
    case "tls_certificate_invalid":
    case "tls_failed":
      return CATEGORY_CONNECT;
    case "connection_reset":
      return CATEGORY_RESET;
    case "response_timeout":
      return CATEGORY_TIMEOUT;
    default:
      return CATEGORY_NONE;
  }
});

/** 1: the backend saw nothing of the request. */
const UNSEEN: Readonly<Record<ErrorCode, number>> = mapCodes((code) => ERROR_TRAITS[code].delivered === "none" ? 1 : 0);

/** Control plane: once per upstream. */
export function compileRetry(config: RetryConfigShape): RetrySettings {
  const statuses = new Uint8Array(600);
  for (const status of config.on.statuses) statuses[status] = 1;
  return {
    attempts: config.attempts,
    categories: Uint8Array.of(0, Number(config.on.connect), Number(config.on.reset), Number(config.on.timeout)),
    statuses,
    methods: new Set(config.methods),
  };
}

/** Take from the budget after `yes`, in the same turn; `yes_uncounted` costs neither budget nor attempt. */
export function retryVerdict(facts: RetryFacts, settings: RetrySettings): RetryVerdict {
  if (facts.headSentDown) return RETRY_VERDICTS.no_head_sent;
  const code = facts.code;
  const category = code === "" ? CATEGORY_NONE : CATEGORIES[code];
  if (code !== "" && category === CATEGORY_NONE) return RETRY_VERDICTS.no_not_retryable;
  if (!facts.bodyIntact) return RETRY_VERDICTS.no_body;
  const isUnseen = code !== "" && UNSEEN[code] === 1;
  if (!isUnseen && !facts.hasIdempotencyKey && !settings.methods.has(facts.method)) return RETRY_VERDICTS.no_method;
  if (category === CATEGORY_RESET && facts.staleConnection && !facts.staleRetried) return RETRY_VERDICTS.yes_uncounted;
  const isConfigured = code === "" ? settings.statuses[facts.status] === 1 : settings.categories[category] === 1;
  if (!isConfigured) return RETRY_VERDICTS.no_not_configured;
  if (facts.attempts >= settings.attempts) return RETRY_VERDICTS.no_attempts;
  return facts.budgetAvailable ? RETRY_VERDICTS.yes : RETRY_VERDICTS.no_budget;
}

function mapCodes(value: (code: ErrorCode) => number): Readonly<Record<ErrorCode, number>> {
  const codes = Object.keys(ERROR_TRAITS) as ErrorCode[];
  return Object.fromEntries(codes.map((code) => [code, value(code)])) as Record<ErrorCode, number>;
}
