/**
 * One exchange: a request, the attempts made for it, and the response that the engine passes on.
 *
 * It is the single owner of everything that must be given back: the plan it runs on, the backend's in-flight count, the
 * connection, the place in a pool's line, the admission ticket of the health machine, the entry among the deadlines.
 * `finish()` gives all of it back, exactly once, whichever way the exchange ends. `cancel()` may be called at any moment by
 * a deadline, by the engine or by shutdown: whoever waits for something then gets the error.
 */

import { isBackendFault } from "../health/reason.ts";
import type { ByteWriter } from "../base/byte_writer.ts";
import { type ErrorCode, ProxyError, toProxyError } from "../base/errors.ts";
import type { Head } from "../http1/head.ts";
import type { BackendPlan, Members, Plan, RoutePlan, UpstreamPlan } from "../plan/types.ts";
import type { LivePlan } from "../plan/holder.ts";
import type { RouteInput } from "../routing/types.ts";
import type { BackendStream, HeadReader } from "../transport/backend_stream.ts";
import type { PickInput } from "../../strategies/selector.ts";
import type { ProxyCore, UnderWay } from "./core.ts";
import { type DeadlineOwner, ExchangeDeadlines } from "./exchange_deadlines.ts";
import type { ExchangeRecord } from "./exchange_record.ts";
import { errorResponse, type LocalContent, LocalResponse } from "./message/local_response.ts";
import type { ProxyRequest } from "./message/request.ts";
import type { RequestBody } from "./message/request_body.ts";
import type { ProxyResponse } from "./message/response.ts";
import type { ExchangeTrace } from "./trace.ts";
import type { StreamSource, Waiter } from "../transport/stream_source.ts";

/**
 * A backend that gave up after it had waited for the client for so long in all may have had enough of the client. Else a
 * few that dribble their bodies, or take theirs in drops, could have it taken out.
 */
const PATIENCE_MS = 1000;

const NO_RESPONSE: ProxyResponse = new LocalResponse("GET", { status: 500, fields: [], body: new Uint8Array(0) });

export class Exchange implements ExchangeRecord, DeadlineOwner, UnderWay, PickInput, RouteInput, HeadReader {
  readonly core: ProxyCore;
  /** As it came, until a filter puts another one in its place. */
  request: ProxyRequest;
  readonly plan: Plan;
  readonly peerIsTrusted: boolean;
  /** The client behind trusted proxies; the connection's address otherwise. */
  readonly clientIp: string;
  readonly startedMs: number;
  /** Null when the client's trace fields pass as they came. */
  readonly trace: ExchangeTrace | null;
  readonly path: string;
  readonly query: string;

  // What happened, for the access log and the metrics.
  route: RoutePlan | null = null;
  upstream: UpstreamPlan | null = null;
  /** Of the upstream, as they were when the exchange came to it; kept to its end. */
  members: Members | null = null;
  backend: BackendPlan | null = null;
  attempts = 0;
  retries = 0;
  status = 0;
  bytesOut = 0;
  errorCode: ErrorCode | "" = "";
  /** When the attempt under way, or the last one, began, had its connection, had its response head; -1: not yet. */
  attemptAtMs = -1;
  sentAtMs = -1;
  headAtMs = -1;
  /** When the last attempt, or the exchange, ended; -1: not yet. */
  endedAtMs = -1;
  /** What the attempt failed with, for those who hear of its end. */
  attemptCode: ErrorCode | "" = "";

  // What a selector reads.
  nowMs: number;
  keyHash = -1;
  affinity = -1;
  tried: Int32Array;
  hasOwnTried = false;

  // Towards the backend.
  connection: BackendStream | null = null;
  /** Where it came from. */
  source: StreamSource | null = null;
  body: RequestBody | null = null;
  cookieForBackend: string | null = null;
  isUploadDone = true;
  /** Ticket of the health machine's admission; 0 for none. */
  admission = 0;
  /** Whether the health machine has heard of this attempt. */
  isReported = false;
  /** A good response head has come: whether the attempt was good shows when its body ends. */
  isAnswered = false;
  /** The next piece of the response is read, whatever its client may still have to send. */
  awaitsBackend = false;
  /** Silence allowed inside the response, or inside a tunnel; 0: no bound. */
  idleMs = 0;

  // Towards the client.
  response: ProxyResponse = NO_RESPONSE;
  /** The response is ours, not a backend's. */
  isOwnAnswer = false;
  isFinished = false;

  /** What is due. */
  readonly due: ExchangeDeadlines;
  listIndex = -1;
  /** The client's request id, or "" and one of ours. */
  readonly #givenId: string;
  readonly #ownId: number;
  readonly #live: LivePlan;
  #isHolding = false;
  #waiter: Waiter | null = null;
  #cancelled: ProxyError | null = null;
  #wake: ((error: ProxyError) => void) | null = null;
  /** Whether the response is with the engine, so that nobody else would notice a cancellation. */
  #isHandedOver = false;
  /** How long the attempt's backend waited for the client, but for the wait that began last; -1: there is none. */
  #clientTookMs = 0;
  #clientOwesAtMs = -1;

  constructor(core: ProxyCore, request: ProxyRequest, live: LivePlan) {
    const nowMs = core.clock.nowMs();
    this.core = core;
    this.request = request;
    this.plan = live.plan;
    this.#live = live;
    this.startedMs = nowMs;
    this.nowMs = nowMs;
    this.tried = NOTHING_TRIED;
    this.peerIsTrusted = live.plan.trusted.has(request.peerIp);
    this.clientIp = this.peerIsTrusted ? core.clientBehind(request, live.plan) : request.peerIp;
    this.#givenId = core.givenRequestId(request);
    this.#ownId = this.#givenId === "" ? core.requestIds.next() : -1;
    this.trace = core.tracer.begin(request);
    const queryAt = request.target.indexOf("?");
    this.path = queryAt < 0 ? request.target : request.target.slice(0, queryAt);
    this.query = queryAt < 0 ? "" : request.target.slice(queryAt + 1);
    live.enter();
    this.due = new ExchangeDeadlines(this, core.deadlines, nowMs);
    core.exchanges.add(this);
  }

  get cancelled(): ProxyError | null {
    return this.#cancelled;
  }

  get requestId(): string {
    return this.#ownId < 0 ? this.#givenId : this.core.requestIds.text(this.#ownId);
  }

  get bytesIn(): number {
    return this.body === null ? 0 : this.body.bytes;
  }

  writeRequestId(out: ByteWriter): void {
    if (this.#ownId < 0) out.latin1(this.#givenId);
    else this.core.requestIds.write(out, this.#ownId);
  }

  // With `path`, `query` and `field`, what a route is looked up by.
  get host(): string {
    return this.request.authority;
  }

  get method(): string {
    return this.request.method;
  }

  field(lowerName: string): string | null {
    return this.request.field(lowerName);
  }

  /** To the client, without what its route takes away. */
  passInformational(head: Head): void {
    this.request.passInformational(head, this.route!.responseEdits);
  }

  /** The backend has to wait for the client, who has to send or to take a piece of a body; until `clientGave()`. */
  clientOwes(): void {
    this.#clientOwesAtMs = this.core.deadlines.recentMs;
  }

  clientGave(): void {
    if (this.#clientOwesAtMs >= 0) this.#clientTookMs += this.core.deadlines.recentMs - this.#clientOwesAtMs;
    this.#clientOwesAtMs = -1;
  }

  /** As in `Claimant`. */
  stalledMs(nowMs: number): number {
    if (this.#clientOwesAtMs < 0 || this.awaitsBackend || this.isFinished) return 0;
    const silentMs = nowMs - this.#clientOwesAtMs;
    const pace = this.isUploadDone ? null : this.body!.pace;
    return pace === null || this.headAtMs >= 0 ? silentMs : Math.max(silentMs, pace.behindMs(nowMs));
  }

  /** Whether a failure says something about the backend. */
  blamesBackend(code: ErrorCode): boolean {
    if (code === "connection_reset" || code === "response_incomplete") {
      this.clientGave();
      if (this.#clientTookMs >= PATIENCE_MS) return false;
    }
    return isBackendFault(code);
  }

  /** A backend that is silent before its response is with the engine fails the attempt alone: there may be another. */
  onSilence(code: ErrorCode): void {
    const error = new ProxyError(code);
    if (this.#isHandedOver || this.connection === null || error.traits.source !== "upstream") return this.cancel(error);
    this.due.endAttempt();
    this.connection.abort(error);
  }

  /** Its client may leave meanwhile. */
  onLong(): void {
    this.request.watchClient(() => this.cancel(new ProxyError("client_gone")));
  }

  /** Ends it from outside. The first error counts; nothing happens to an exchange that is over. */
  cancel(error: ProxyError): void {
    if (this.isFinished) return;
    this.#cancelled ??= error;
    this.#waiter?.cancel(this.#cancelled);
    this.#wake?.(this.#cancelled);
    this.connection?.abort(this.#cancelled);
    if (this.#isHandedOver) this.finish(this.#cancelled.code);
  }

  /** @throws {ProxyError} what the exchange was cancelled with. */
  throwIfCancelled(): void {
    if (this.#cancelled !== null) throw this.#cancelled;
  }

  /** What was handed over may have been taken back since. @throws {ProxyError} what the exchange was cancelled with. */
  throwIfTakenBack(): void {
    if (this.isFinished && this.#cancelled !== null) throw this.#cancelled;
  }

  /** Waits in a pool's line; then has its connection. */
  async waitFor(waiter: Waiter): Promise<void> {
    this.#waiter = waiter;
    try {
      this.connection = await waiter.stream;
      this.sentAtMs = this.core.clock.nowMs();
    } finally {
      this.#waiter = null;
    }
  }

  /** Waits between two attempts: so long (0: for ever), or until `work` is done. */
  async pause(ms: number, work: Promise<void> | null = null): Promise<void> {
    const paused = Promise.withResolvers<void>();
    const timer = ms > 0 ? setTimeout(paused.resolve, ms) : undefined;
    work?.then(paused.resolve, paused.reject);
    this.#wake = paused.reject;
    try {
      await paused.promise;
    } finally {
      clearTimeout(timer);
      this.#wake = null;
    }
  }

  /**
   * Waits for work that ends by itself. A cancellation ends the waiting; what becomes of the work after that is not heard.
   *
   * @throws What the work is rejected with, or the exchange was cancelled with.
   */
  async waitUntil<Result>(work: Promise<Result>): Promise<Result> {
    const settled = Promise.withResolvers<Result>();
    work.then(settled.resolve, settled.reject);
    this.#wake = settled.reject;
    if (this.#cancelled !== null) settled.reject(this.#cancelled);
    try {
      const result = await settled.promise;
      this.throwIfCancelled();
      return result;
    } finally {
      this.#wake = null;
      this.nowMs = this.core.clock.nowMs();
    }
  }

  /** The response follows the request now, within `responseMs` unless it has begun already. */
  uploadEnded(responseMs: number): void {
    if (this.headAtMs < 0) this.due.expectDownload(responseMs, "response_timeout");
  }

  beginAttempt(upstream: UpstreamPlan, backend: BackendPlan): void {
    this.backend = backend;
    this.attempts++;
    this.isReported = false;
    this.isAnswered = false;
    this.attemptAtMs = this.nowMs;
    this.sentAtMs = -1;
    this.headAtMs = -1;
    this.attemptCode = "";
    this.#clientTookMs = 0;
    this.#clientOwesAtMs = -1;
    upstream.table.begin(backend.row);
    this.#isHolding = true;
    this.core.recorder.attemptBegan(this);
  }

  /**
   * Gives the connection and the in-flight count back. A connection that is not at a clean end is closed.
   *
   * @param code Why the response did not come to its end.
   */
  endAttempt(code: ErrorCode | "" = ""): void {
    const nowMs = code === "" ? this.core.deadlines.recentMs : this.core.clock.nowMs();
    const connection = this.connection;
    if (connection !== null) {
      this.connection = null;
      this.source!.release(connection, nowMs);
    }
    if (!this.#isHolding) return;
    this.#isHolding = false;
    const upstream = this.upstream!;
    upstream.table.end(this.backend!.row);
    if (this.admission !== 0) this.#reportEnd(code, nowMs);
    this.admission = 0;
    this.endedAtMs = this.core.clock.nowMs();
    this.core.recorder.attemptEnded(this, code === "" ? this.attemptCode : code);
    this.due.endAttempt();
  }

  /**
   * The engine has the response now: the one that is here, or an error of ours.
   *
   * @param error What came in its way; null for nothing.
   */
  handOver(error: unknown): void {
    // It may also have been cancelled in the turn in which its response head came: the connection is closed already.
    const failure = error ?? (this.isOwnAnswer ? null : this.#cancelled);
    if (failure !== null) this.failWith(toProxyError(failure).code);
    this.#isHandedOver = true;
  }

  /** Gives back what is held, and answers with an error of ours. */
  failWith(code: ErrorCode): void {
    this.errorCode = code;
    this.connection?.close();
    this.endAttempt(code);
    this.due.limitTotal(0);
    this.answer(errorResponse(code, this.request, this.requestId));
  }

  /** With a response of ours, which nothing has to be waited for. */
  answer(content: LocalContent): void {
    this.isOwnAnswer = true;
    this.status = content.status;
    this.response = new LocalResponse(this.request.method, content);
  }

  /** With a response that no backend sent for it. */
  answerWith(response: ProxyResponse): void {
    this.isOwnAnswer = true;
    this.status = response.status;
    this.response = response;
  }

  /**
   * Ends the exchange: the engine has taken all of the response, or will take no more. The one place that does, whatever
   * brought it about. Only the first call counts.
   *
   * @param code "" when nothing went wrong since the response was handed over.
   */
  finish(code: ErrorCode | ""): void {
    if (this.isFinished) return;
    this.isFinished = true;
    if (code !== "") this.errorCode = code;
    this.due.end();
    this.core.exchanges.remove(this);
    if (code !== "") this.connection?.close();
    this.endAttempt(code);
    if (this.body !== null) this.#endBody(this.body);
    // The end of the last attempt, a moment ago, is the end of the exchange, unless there was a wait after it.
    if (this.attempts === 0 || this.errorCode !== "") this.endedAtMs = this.core.clock.nowMs();
    this.core.recorder.record(this);
    this.#live.leave();
  }

  #endBody(body: RequestBody): void {
    if (!body.isEnded) this.request.cancelBody();
    if (this.isUploadDone) body.release();
  }

  /** A response that breaks off counts, even when a trial's good head was reported: the backend can't do it. */
  #reportEnd(code: ErrorCode | "", nowMs: number): void {
    const { health } = this.backend!;
    if (this.isAnswered && code !== "" && this.blamesBackend(code)) {
      health.onTrafficFailure(code, nowMs, this.admission);
    } else if (!this.isReported) {
      if (this.isAnswered) health.onTrafficSuccess(nowMs, this.admission);
      else health.releaseToken(this.admission);
    }
  }
}

/** Shared by all exchanges that have not tried anything; as long as the longest mask, and never written. */
const NOTHING_TRIED = new Int32Array(256);
