/**
 * Carries an exchange to a backend, and to another one when that failed and nothing forbids it.
 *
 * Ends in one of two ways: the response head is here and `exchange.connection` holds its body, or a `ProxyError`.
 */

import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { LATENCY_DECAY_MS, observeLatency } from "../base/ewma.ts";
import { FieldId } from "../base/field_names.ts";
import { parseConnection } from "../fields/hop_by_hop.ts";
import type { BackendPlan, RoutePlan, UpstreamAction, UpstreamPlan } from "../plan/types.ts";
import { retryAfterMs } from "../resilience/retry_after.ts";
import { RETRY_VERDICTS, retryVerdict } from "../resilience/retry_policy.ts";
import { Connection } from "../transport/connection.ts";
import type { Matched } from "../routing/types.ts";
import type { Exchange } from "./exchange.ts";
import { FieldFilter, requestDrops } from "./field_filter.ts";
import { NO_BODY } from "./request.ts";
import { RequestBody } from "./request_body.ts";
import { encodeRequestHead } from "./request_head.ts";
import { upload } from "./upload.ts";

/** A backend's Retry-After beyond this is not waited for: the client gets the answer and decides for itself. */
const RETRY_AFTER_MS_MAX = 2000;

interface Course {
  readonly action: UpstreamAction;
  readonly filter: FieldFilter;
  readonly target: string;
  /** Spent: a stale connection is replaced once, outside the count. */
  staleRetried: boolean;
  /** The next attempt goes to this backend, on a new connection. */
  freshAt: BackendPlan | null;
  uncounted: number;
}

export async function forward(exchange: Exchange, matched: Matched<RoutePlan>, action: UpstreamAction): Promise<void> {
  const { upstream } = action;
  const course = begin(exchange, matched, action);
  let lastFailure: ProxyError | null = null;
  for (;;) {
    exchange.throwIfCancelled();
    const backend = readmitted(exchange, upstream, course.freshAt) ?? pick(exchange, upstream);
    if (backend === null) throw lastFailure ?? new ProxyError("backend_unavailable");
    let code: ErrorCode | "" = "";
    let failure: ProxyError | null = null;
    try {
      await attempt(exchange, backend, course);
      if (upstream.retry.statuses[exchange.status] === 0) return;
    } catch (error) {
      failure = lastFailure = toProxyError(error);
      code = failure.code;
      exchange.attemptCode = code;
      report(exchange, backend, code);
    }
    const wasStale = isStale(exchange, code);
    const verdict = judge(exchange, course, { code, wasStale });
    if (verdict <= 0) {
      if (failure === null) return;
      throw exchange.cancelled ?? failure;
    }
    const waitMs = failure === null ? retryAfter(exchange) : 0;
    // Without a wait: a bad answer that stops midway must not hold up the next attempt, nor the body that it will send
    // again be read on.
    if (failure !== null || !isDiscarded(exchange)) exchange.connection?.close();
    exchange.endAttempt();
    exchange.core.recorder.retried(exchange, code === "" ? `status_${exchange.status}` : code);
    exchange.retries++;
    course.freshAt = null;
    if (verdict === RETRY_VERDICTS.yes_uncounted) {
      course.staleRetried = true;
      course.uncounted++;
      course.freshAt = backend;
      continue;
    }
    upstream.budget.tryTake(exchange.core.clock.nowMs());
    markTried(exchange, upstream, backend.position);
    const counted = exchange.attempts - course.uncounted;
    await exchange.sleep(Math.max(waitMs, upstream.backoff.delayMs(counted, exchange.core.random())));
  }
}

function begin(exchange: Exchange, matched: Matched<RoutePlan>, action: UpstreamAction): Course {
  const { upstream } = action;
  const request = exchange.request;
  exchange.upstream = upstream;
  exchange.limitTotal(action.timeouts.totalMs);
  exchange.keyHash = upstream.affinity.keyHash(exchange);
  exchange.affinity = upstream.affinity.position(exchange);
  upstream.budget.onRequest(exchange.startedMs);
  if (request.bodyLength !== NO_BODY && request.bodyLength !== 0) {
    exchange.body = new RequestBody(request, upstream.bodyBufferBytes);
  }
  const ownsCookie = upstream.affinity.ownsCookie;
  if (ownsCookie) {
    const cookie = request.field("cookie");
    exchange.cookieForBackend = cookie === null ? null : upstream.affinity.cookieForBackend(cookie);
  }
  const drops = requestDrops(exchange.plan.forwarded, exchange.peerIsTrusted, ownsCookie);
  const filter = new FieldFilter(drops, matched.route.value.requestEdits);
  const connection = request.field("connection");
  if (connection !== null) {
    const { nominated, isMalformed } = parseConnection(connection);
    if (isMalformed) throw new ProxyError("request_invalid");
    filter.nominated = nominated;
  }
  const target = action.rewrite === null || request.target === "*"
    ? request.target
    : action.rewrite.apply(matched, exchange.query);
  return { action, filter, target, staleRetried: false, freshAt: null, uncounted: 0 };
}

/** @returns Null when no backend is eligible. Else the admission is on the exchange. */
function pick(exchange: Exchange, upstream: UpstreamPlan): BackendPlan | null {
  exchange.nowMs = exchange.core.clock.nowMs();
  let mayForget = exchange.attempts > 0;
  for (;;) {
    const position = upstream.selector.pick(exchange);
    if (position < 0) {
      // All eligible ones were tried: one of them again is better than none.
      if (!mayForget) return null;
      mayForget = false;
      exchange.tried.fill(0);
      continue;
    }
    const admission = upstream.health.admit(position, exchange.nowMs, exchange.tried);
    if (admission !== 0) {
      exchange.admission = admission;
      return upstream.backends[position];
    }
    markTried(exchange, upstream, position);
  }
}

/** For another connection to the backend whose pooled one was stale: a new attempt, which health has to hear of. */
function readmitted(exchange: Exchange, upstream: UpstreamPlan, backend: BackendPlan | null): BackendPlan | null {
  if (backend === null) return null;
  exchange.nowMs = exchange.core.clock.nowMs();
  exchange.admission = upstream.health.admit(backend.position, exchange.nowMs, exchange.tried);
  return exchange.admission === 0 ? null : backend;
}

function markTried(exchange: Exchange, upstream: UpstreamPlan, position: number): void {
  if (!exchange.hasOwnTried) {
    exchange.tried = new Int32Array(upstream.maskWords);
    exchange.hasOwnTried = true;
  }
  exchange.tried[position >>> 5] |= 1 << (position & 31);
}

async function attempt(exchange: Exchange, backend: BackendPlan, course: Course): Promise<void> {
  const { timeouts, upstream } = course.action;
  const { request, core } = exchange;
  exchange.beginAttempt(upstream, backend);
  const got = backend.pool.acquire(core.clock.nowMs(), course.freshAt !== null);
  const connection = got instanceof Connection ? got : await exchange.waitFor(got);
  exchange.connection = connection;
  exchange.throwIfCancelled();
  connection.beginExchange();
  const host = backend.host || request.authority || backend.ownHost;
  encodeRequestHead(connection.out, exchange, { target: course.target, host, filter: course.filter });
  const sentMs = exchange.sentAtMs = core.clock.nowMs();
  exchange.expectDownload(exchange.body === null ? timeouts.responseMs : 0, "response_timeout");
  if (exchange.body === null) {
    await connection.write(connection.out.view());
  } else {
    exchange.isUploadDone = false;
    exchange.idleMs = timeouts.idleMs;
    upload(exchange, connection, exchange.body, {
      clientMs: request.bodyTimeoutMs,
      backendMs: timeouts.idleMs,
      responseMs: timeouts.responseMs,
    });
  }
  const framing = await connection.readHead(request.method, (head) => request.passInformational(head));
  exchange.expectDownload(0, "response_idle_timeout");
  const nowMs = exchange.headAtMs = core.clock.nowMs();
  observeLatency(upstream.table, backend.slot, nowMs - sentMs, nowMs, LATENCY_DECAY_MS);
  exchange.status = connection.head.status;
  exchange.framing = framing;
  exchange.idleMs = timeouts.idleMs;
  checkUpgrade(exchange, connection);
  if (exchange.status === 101) exchange.idleMs = timeouts.tunnelMs;
  const isFailure = upstream.failureStatuses[exchange.status] === 1;
  exchange.isAnswered = !isFailure;
  // A success is reported when the body has ended. Not so where others wait for the verdict, or it would take too long.
  if (!isFailure && exchange.status !== 101 && backend.health.isInService) return;
  if (isFailure) backend.health.onTrafficFailure("bad_status", nowMs, exchange.admission);
  else backend.health.onTrafficSuccess(nowMs, exchange.admission);
  exchange.isReported = true;
}

/** @throws {ProxyError} for a switch of protocols that nobody asked for. */
function checkUpgrade(exchange: Exchange, connection: Connection): void {
  if (exchange.status !== 101) return;
  const asked = exchange.request.upgrade;
  if (asked === "") throw new ProxyError("response_invalid", "Switched protocols without being asked");
  if (connection.head.get(FieldId.upgrade)?.toLowerCase() !== asked) throw new ProxyError("upgrade_failed");
}

/** The health machine hears of each attempt once. */
function report(exchange: Exchange, backend: BackendPlan, code: ErrorCode): void {
  if (exchange.admission === 0 || exchange.isReported) return;
  // A connection that had gone stale in the pool says nothing about the backend.
  if (isStale(exchange, code)) return;
  const nowMs = exchange.core.clock.nowMs();
  backend.health.onTrafficFailure(code, nowMs, exchange.admission);
  exchange.isReported = true;
}

/** The connection had served before, and ended before the first byte of this response. */
function isStale(exchange: Exchange, code: ErrorCode | ""): boolean {
  const connection = exchange.connection;
  return code === "connection_reset" && connection !== null && connection.exchanges > 1 && connection.bytesIn === 0;
}

function judge(exchange: Exchange, course: Course, facts: { code: ErrorCode | ""; wasStale: boolean }): number {
  if (exchange.cancelled !== null) return RETRY_VERDICTS.no_not_retryable;
  const { request } = exchange;
  const upstream = course.action.upstream;
  return retryVerdict({
    code: facts.code,
    status: exchange.status,
    method: request.method,
    hasIdempotencyKey: request.field("idempotency-key") !== null,
    bodyIntact: exchange.body === null || exchange.body.isIntact,
    headSentDown: false,
    attempts: exchange.attempts - course.uncounted,
    budgetAvailable: upstream.budget.hasRoom(exchange.core.clock.nowMs()),
    staleConnection: facts.wasStale,
    staleRetried: course.staleRetried,
  }, upstream.retry);
}

function retryAfter(exchange: Exchange): number {
  const value = exchange.connection!.head.get(FieldId.retry_after);
  if (value === null) return 0;
  return Math.max(0, retryAfterMs(value, exchange.core.clock.epochMs(), RETRY_AFTER_MS_MAX));
}

/** A short answer that is not wanted is read off if it is all here, so that its connection can be used again. */
function isDiscarded(exchange: Exchange): boolean {
  const connection = exchange.connection!;
  if (!exchange.isUploadDone) return false;
  try {
    let piece = connection.takeBody();
    while (piece !== null && piece !== undefined) piece = connection.takeBody();
    return piece === null;
  } catch {
    return false; // its failure was the reason to leave anyway
  }
}

export function toProxyError(error: unknown): ProxyError {
  return error instanceof ProxyError ? error : new ProxyError("internal_error", String(error), error);
}
