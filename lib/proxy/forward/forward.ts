/**
 * Carries an exchange to a backend, and to another one when that failed and nothing forbids it.
 *
 * Ends in one of two ways: the response is a backend's, whose stream the exchange holds, or it is an error of ours.
 */

import { type ErrorCode, ProxyError, toProxyError } from "../../base/errors.ts";
import { LATENCY_DECAY_MS, observeLatency } from "../../base/ewma.ts";
import { END, WAIT } from "../../base/body_piece.ts";
import { FieldId } from "../../base/field_names.ts";
import type { BackendPlan, Members, RoutePlan, UpstreamAction, UpstreamPlan } from "../../plan/types.ts";
import { retryAfterMs } from "../../resilience/retry_after.ts";
import { RETRY_VERDICTS, retryVerdict } from "../../resilience/retry_policy.ts";
import type { BackendStream } from "../../transport/backend_stream.ts";
import { Waiter } from "../../transport/stream_source.ts";
import type { Matched } from "../../routing/types.ts";
import { AttemptBody } from "./attempt_body.ts";
import { BackendRequest } from "./backend_request.ts";
import { BackendResponse } from "../message/backend_response.ts";
import { type BodyPace, paceOf } from "../message/body_pace.ts";
import { collectBody, isToCollect } from "./collect_body.ts";
import type { Exchange } from "../exchange.ts";
import { FieldFilter, requestDrops, withoutExpect } from "../message/field_filter.ts";
import { UNLIMITED } from "./max_forwards.ts";
import { NO_BODY } from "../message/request.ts";
import { RequestBody } from "../message/request_body.ts";

/** A backend's Retry-After beyond this is not waited for: the client gets the answer and decides for itself. */
const RETRY_AFTER_MS_MAX = 2000;

/** Where an exchange is to go. */
export interface ForwardOptions {
  readonly matched: Matched<RoutePlan>;
  readonly action: UpstreamAction;
  /** What `maxForwards()` says; not 0. */
  readonly forwards: number;
}

interface ForwardState {
  readonly action: UpstreamAction;
  readonly request: BackendRequest;
  /** In which the client has to send its body; null for no such bound. */
  readonly pace: BodyPace | null;
  lastFailure: ProxyError | null;
  /** Before the next attempt. */
  waitMs: number;
  /** Why the next attempt is made: what the one before failed with, "" for its status; null for the first. */
  again: ErrorCode | "" | null;
  /** Spent: a stale connection is replaced once, outside the count. */
  staleRetried: boolean;
  /** The next attempt goes to this backend, on a new connection. */
  freshAt: BackendPlan | null;
  uncounted: number;
}

/** @returns The exchange when its response is with the engine. Never rejects. */
export async function forward(exchange: Exchange, options: ForwardOptions): Promise<Exchange> {
  const { action } = options;
  try {
    const state = begin(exchange, options);
    const { body } = exchange;
    const bytesMax = action.upstream.bodyBufferBytes;
    if (body !== null && isToCollect(exchange, body, bytesMax)) {
      const isTold = await collectBody(exchange, body, { bytesMax, pace: state.pace });
      if (isTold) state.request.filter = withoutExpect(state.request.filter);
    }
    for (;;) {
      const backend = nextBackend(exchange, state);
      if (state.again !== null) countRetry(exchange, state.again);
      let failure: ProxyError | null = null;
      try {
        // One attempt. It is written out here because each async function on the way costs every request a promise, a
        // turn of the microtask queue and half a kilobyte.
        const got = borrow(exchange, backend, state);
        if (got instanceof Waiter) await exchange.waitFor(got);
        const connection = send(exchange, state);
        while (!connection.takeHead(exchange)) {
          try {
            connection.took(await connection.reading());
          } catch (error) {
            throw connection.failure(error);
          }
        }
        receive(exchange, state, connection);
        if (action.upstream.retry.statuses[exchange.status] === 0) break;
      } catch (error) {
        failure = state.lastFailure = toProxyError(error);
        exchange.attemptCode = failure.code;
        report(exchange, backend, failure.code);
      }
      if (!turnBack(exchange, state, failure)) break;
      if (state.waitMs > 0) await exchange.pause(state.waitMs);
    }
    const { responseEdits } = options.matched.route.value;
    exchange.response = new BackendResponse(exchange, exchange.connection!, responseEdits);
    exchange.handOver(null);
  } catch (error) {
    exchange.handOver(error);
  }
  return exchange;
}

/** @throws {ProxyError} when there is nobody to go to, or no need to any more. */
function nextBackend(exchange: Exchange, state: ForwardState): BackendPlan {
  const members = exchange.members!;
  exchange.throwIfCancelled();
  const backend = readmitted(exchange, members, state.freshAt) ?? pick(exchange, members, state.again);
  if (backend === null) throw state.lastFailure ?? new ProxyError("backend_unavailable");
  return backend;
}

/** Not before there is a backend for it: after the last one is out there is no other attempt, whatever was decided. */
function countRetry(exchange: Exchange, code: ErrorCode | ""): void {
  exchange.core.recorder.retried(exchange, code);
  exchange.retries++;
}

/**
 * Decides what follows an attempt that failed, or whose answer is not wanted, and clears it away for another one.
 *
 * @returns Whether there is another one, after `state.waitMs`; if not, the answer that is here stands.
 * @throws {ProxyError} the failure, when there is no other attempt and no answer.
 */
function turnBack(exchange: Exchange, state: ForwardState, failure: ProxyError | null): boolean {
  const { upstream } = state.action;
  const backend = exchange.backend!;
  const code = failure === null ? "" : failure.code;
  const wasStale = isStale(exchange, code);
  const verdict = judge(exchange, state, { code, wasStale });
  if (verdict <= 0) {
    if (failure === null) return false;
    throw exchange.cancelled ?? failure;
  }
  const waitMs = failure === null ? retryAfter(exchange) : 0;
  // Without a wait: a bad answer that stops midway must not hold up the next attempt, nor the body that it will send
  // again be read on.
  if (failure !== null || !isDiscarded(exchange)) exchange.connection?.close();
  exchange.endAttempt();
  state.again = code;
  state.freshAt = null;
  state.waitMs = 0;
  if (verdict === RETRY_VERDICTS.yes_uncounted) {
    state.staleRetried = true;
    state.uncounted++;
    state.freshAt = backend;
    return true;
  }
  upstream.budget.tryTake(exchange.core.clock.nowMs());
  markTried(exchange, exchange.members!, backend.index);
  const counted = exchange.attempts - state.uncounted;
  state.waitMs = Math.max(waitMs, upstream.backoff.delayMs(counted, exchange.core.random()));
  return true;
}

function begin(exchange: Exchange, { matched, action, forwards }: ForwardOptions): ForwardState {
  const { upstream } = action;
  const request = exchange.request;
  const { members } = upstream;
  exchange.upstream = upstream;
  exchange.members = members;
  exchange.due.limitTotal(action.timeouts.totalMs);
  exchange.keyHash = members.affinity.keyHash(exchange);
  exchange.affinity = members.affinity.index(exchange);
  upstream.budget.onRequest(exchange.startedMs);
  if (request.bodyLength !== NO_BODY && request.bodyLength !== 0) {
    exchange.body = new RequestBody(request, upstream.bodyBufferBytes);
    exchange.body.begin();
  }
  const ownsCookie = members.affinity.ownsCookie;
  if (ownsCookie) {
    const cookie = request.field("cookie");
    exchange.cookieForBackend = cookie === null ? null : members.affinity.cookieForBackend(cookie);
  }
  const drops = requestDrops(exchange.plan.forwarded, {
    isTrusted: exchange.peerIsTrusted,
    ownsCookie,
    ownsTrace: exchange.trace !== null,
    countsForwards: forwards !== UNLIMITED,
    dropsUnderscores: exchange.plan.dropsUnderscores,
  });
  const filter = new FieldFilter(drops, matched.route.value.requestEdits);
  filter.nominated = request.connectionOptions.nominated;
  const path = action.rewrite === null || request.target === "*"
    ? request.target
    : action.rewrite.apply(matched, exchange.query);
  const pace = exchange.body === null || exchange.body.isEnded ? null : paceOf(request);
  if (pace !== null) exchange.body!.pace = pace;
  return {
    action,
    request: new BackendRequest(exchange, { path, filter, forwards }),
    pace,
    lastFailure: null,
    waitMs: 0,
    again: null,
    staleRetried: false,
    freshAt: null,
    uncounted: 0,
  };
}

/** @returns Null when no backend is eligible. Else the admission is on the exchange. */
function pick(exchange: Exchange, members: Members, again: ForwardState["again"]): BackendPlan | null {
  const isAgain = exchange.attempts > 0;
  if (isAgain) exchange.nowMs = exchange.core.clock.nowMs(); // the first pick comes in the turn of the request
  // Who has been silent for so long is not asked again: the client would wait as long once more, for nothing.
  let mayForget = isAgain && again !== "response_timeout";
  for (;;) {
    const index = members.selector.pick(exchange);
    if (index < 0) {
      // All eligible ones were tried: one of them again is better than none.
      if (!mayForget) return null;
      mayForget = false;
      exchange.tried.fill(0);
      continue;
    }
    const admission = members.health.admit(index, exchange.nowMs, exchange.tried);
    if (admission !== 0) {
      exchange.admission = admission;
      return members.backends[index];
    }
    markTried(exchange, members, index);
  }
}

/** For another connection to the backend whose pooled one was stale: a new attempt, which health has to hear of. */
function readmitted(exchange: Exchange, members: Members, backend: BackendPlan | null): BackendPlan | null {
  if (backend === null) return null;
  exchange.nowMs = exchange.core.clock.nowMs();
  exchange.admission = members.health.admit(backend.index, exchange.nowMs, exchange.tried);
  return exchange.admission === 0 ? null : backend;
}

function markTried(exchange: Exchange, members: Members, index: number): void {
  if (!exchange.hasOwnTried) {
    exchange.tried = new Int32Array(members.maskWords);
    exchange.hasOwnTried = true;
  }
  exchange.tried[index >>> 5] |= 1 << (index & 31);
}

/** Begins an attempt. @returns The stream, which the exchange then has, or a place in the line for one. */
function borrow(exchange: Exchange, backend: BackendPlan, state: ForwardState): BackendStream | Waiter {
  const { upstream } = state.action;
  exchange.beginAttempt(upstream, backend);
  const { pipelines } = backend;
  const source = exchange.source = pipelines !== null && mayShare(exchange, upstream) ? pipelines : backend.pool;
  const got = source.acquire(exchange.nowMs, exchange, state.freshAt !== null);
  if (got instanceof Waiter) {
    if (state.action.connectMs > 0) got.connectBy(exchange.nowMs + state.action.connectMs);
  } else {
    exchange.connection = got;
    exchange.sentAtMs = exchange.nowMs;
  }
  return got;
}

/**
 * Its response may come behind those of others, and it may be repeated when one of those goes wrong; but only once, so
 * that others can't spoil both attempts.
 */
function mayShare(exchange: Exchange, upstream: UpstreamPlan): boolean {
  return exchange.attempts === 1 && exchange.body === null && exchange.request.upgrade === "" &&
    upstream.pipelined.has(exchange.request.method);
}

/** @returns The exchange's stream, from which the response will come. */
function send(exchange: Exchange, { action, request, pace }: ForwardState): BackendStream {
  const { idleMs, responseMs } = action.timeouts;
  const { body } = exchange;
  const stream = exchange.connection!;
  exchange.throwIfCancelled();
  if (exchange.trace !== null) exchange.trace.target = request.path;
  if (body !== null) {
    request.body = new AttemptBody(exchange, body, { filter: request.filter, pace, backendMs: idleMs, responseMs });
  }
  const isWhole = exchange.isUploadDone = stream.send(request);
  exchange.due.expectDownload(isWhole ? responseMs : 0, "response_timeout");
  if (!isWhole) exchange.idleMs = idleMs;
  return stream;
}

/** The response head is here. @throws {ProxyError} */
function receive(exchange: Exchange, { action }: ForwardState, connection: BackendStream): void {
  const { timeouts, upstream } = action;
  const { health, row } = exchange.backend!;
  exchange.due.expectDownload(0, "response_idle_timeout");
  const nowMs = exchange.headAtMs = exchange.core.clock.nowMs();
  exchange.core.deadlines.observe(nowMs);
  observeLatency(upstream.table, row, nowMs - exchange.sentAtMs, nowMs, LATENCY_DECAY_MS);
  exchange.status = connection.head.status;
  exchange.idleMs = timeouts.idleMs;
  checkUpgrade(exchange, connection);
  if (exchange.status === 101) {
    exchange.idleMs = timeouts.tunnelMs;
    exchange.backend!.pool.switched(connection, nowMs);
  }
  const isFailure = upstream.failureStatuses[exchange.status] === 1;
  exchange.isAnswered = !isFailure;
  // A success is reported when the body has ended. Not so where others wait for the verdict, or it would take too long.
  if (!isFailure && exchange.status !== 101 && health.isInService) return;
  if (isFailure) health.onTrafficFailure("bad_status", nowMs, exchange.admission);
  else health.onTrafficSuccess(nowMs, exchange.admission);
  exchange.isReported = true;
}

/** @throws {ProxyError} for a switch of protocols that nobody asked for, or before the request was there (RFC 9110 §7.8). */
function checkUpgrade(exchange: Exchange, connection: BackendStream): void {
  if (exchange.status !== 101) return;
  const asked = exchange.request.upgrade;
  if (asked === "") throw new ProxyError("response_invalid", "Switched protocols without being asked");
  if (connection.head.get(FieldId.upgrade)?.toLowerCase() !== asked) throw new ProxyError("upgrade_failed");
  if (!exchange.isUploadDone) throw new ProxyError("upgrade_failed", "Switched protocols before it had the request");
}

/** The health machine hears of each attempt once; of one that says nothing about its backend when it is cleared away. */
function report(exchange: Exchange, backend: BackendPlan, code: ErrorCode): void {
  if (exchange.admission === 0 || exchange.isReported) return;
  // A connection that had gone stale in the pool says nothing about the backend.
  if (isStale(exchange, code) || !exchange.blamesBackend(code)) return;
  const nowMs = exchange.core.clock.nowMs();
  backend.health.onTrafficFailure(code, nowMs, exchange.admission);
  exchange.isReported = true;
}

/** A connection had gone stale while nobody used it. */
function isStale({ connection }: Exchange, code: ErrorCode | ""): boolean {
  return code === "connection_reset" && connection !== null && connection.isStale;
}

function judge(exchange: Exchange, state: ForwardState, facts: { code: ErrorCode | ""; wasStale: boolean }): number {
  if (exchange.cancelled !== null) return RETRY_VERDICTS.no_not_retryable;
  const { request } = exchange;
  const upstream = state.action.upstream;
  return retryVerdict({
    code: facts.code,
    status: exchange.status,
    method: request.method,
    hasIdempotencyKey: request.field("idempotency-key") !== null,
    bodyIntact: exchange.body === null || exchange.body.isIntact,
    headSentDown: false,
    attempts: exchange.attempts - state.uncounted,
    budgetAvailable: upstream.budget.hasRoom(exchange.core.clock.nowMs()),
    staleConnection: facts.wasStale,
    staleRetried: state.staleRetried,
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
    while (piece !== END && piece !== WAIT) piece = connection.takeBody();
    return piece === END;
  } catch {
    return false; // its failure was the reason to leave anyway
  }
}
