/**
 * What happened in an exchange: what log, metrics and traces read of it. The exchange alone writes it.
 */

import type { ErrorCode } from "../base/errors.ts";
import type { RequestIdSource } from "../observe/access_line.ts";
import type { BackendPlan, RoutePlan, UpstreamPlan } from "../plan/types.ts";
import type { ProxyRequest } from "./message/request.ts";
import type { ExchangeTrace } from "./trace.ts";

export interface ExchangeRecord extends RequestIdSource {
  readonly request: ProxyRequest;
  readonly requestId: string;
  /** The client behind trusted proxies; the connection's address otherwise. */
  readonly clientIp: string;
  readonly path: string;
  /** Null when the client's trace fields pass as they came. */
  readonly trace: ExchangeTrace | null;
  readonly route: RoutePlan | null;
  readonly upstream: UpstreamPlan | null;
  readonly backend: BackendPlan | null;
  readonly attempts: number;
  readonly retries: number;
  /** 0 before there is a response. */
  readonly status: number;
  /** Bytes of bodies. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** "" when all went well. */
  readonly errorCode: ErrorCode | "";
  /** The response is ours, not a backend's. */
  readonly isOwnAnswer: boolean;
  readonly startedMs: number;
  /** When the attempt under way, or the last one, began, had its connection, had its response head; -1: not yet. */
  readonly attemptAtMs: number;
  readonly sentAtMs: number;
  readonly headAtMs: number;
  /** A good response head has come in that attempt. */
  readonly isAnswered: boolean;
  /** When the last attempt, or the exchange, ended; -1: not yet. */
  readonly endedAtMs: number;
}

/** Told of what exchanges do, as it happens. Reads the record, keeps nothing of it, must not throw. */
export interface Recorder {
  /** A backend was chosen: `backend`. No connection yet. */
  attemptBegan(exchange: ExchangeRecord): void;
  /** @param code Why it failed; "" when the response came to its end, or was given up for its status. */
  attemptEnded(exchange: ExchangeRecord, code: ErrorCode | ""): void;
  /** Another attempt follows. @param code "" when `status` was the reason. */
  retried(exchange: ExchangeRecord, code: ErrorCode | ""): void;
  /** The exchange has ended. Once each. */
  record(exchange: ExchangeRecord): void;
}
