/**
 * Pipelined streams on the connections of one backend: `pool.pipelining`.
 *
 * It stands on the backend's `Pool`. A connection that it takes from there is in use there while a stream is on it, and
 * goes back when it is empty: bounds, the line, timeouts and warm connections are the pool's, for both kinds of use.
 *
 * *Which connection.* One that has a request of this turn already, while it has room: they share the write. Else the least
 * loaded one with room. Else another one: idle, or dialled, or waited for in the pool's line; who waits there is served
 * by the first stream that gets free, too. So there are as few connections as the depth allows, which is what saves
 * writes; how deep is worth it, pipeline_depth.ts finds out, and a connection whose response is overdue or large takes
 * no more.
 *
 * A request that wants a connection for itself could wait for ever while streams keep all of them in use: when one
 * starves, the next connection on which a response ends takes no more streams until it is empty.
 *
 * A backend that breaks the order too often (pipeline_trust.ts) gets whole connections for a while.
 */

import type { BackendStream, Claimant } from "../backend_stream.ts";
import type { Connection } from "./connection.ts";
import type { Deadlines } from "../deadlines.ts";
import { PipelinedStream } from "./pipelined_stream.ts";
import { Pipeline, type PipelineOwner } from "./pipeline.ts";
import { PipelineDepth } from "./pipeline_depth.ts";
import { FALLBACK_MS, PipelineTrust } from "./pipeline_trust.ts";
import type { Pool } from "../pool.ts";
import { type StreamSource, Waiter } from "../stream_source.ts";

export interface PipelineSettings {
  /** Requests in flight on one connection; 2 or more. */
  readonly depthMax: number;
  /** As in `PoolSettings`: a connection in constant use must end, too. */
  readonly exchangesMax: number;
  readonly ageMsMax: number;
}

export interface FallbackFacts {
  readonly forMs: number;
  /** Requests that the last break cost. */
  readonly lost: number;
}

export interface PipelineContext {
  readonly deadlines: Deadlines;
  nowMs(): number;
  /** The backend gets one request a connection now, for so long. */
  onFallback(facts: FallbackFacts): void;
}

export class PipelinePool implements StreamSource, PipelineOwner {
  readonly #pool: Pool;
  readonly #settings: PipelineSettings;
  readonly #context: PipelineContext;
  readonly #depth: PipelineDepth;
  readonly #trust: PipelineTrust = new PipelineTrust();
  /** A connection that goes back and comes again keeps its buffers. */
  readonly #known: WeakMap<Connection, Pipeline> = new WeakMap();
  readonly #busy: Pipeline[] = [];
  /** Those of the pool's line that take a place on a shared connection, in the order in which they came. */
  readonly #waiting: Set<Waiter> = new Set();
  /** The pipeline that got the last request. */
  #latest: Pipeline | null = null;
  readonly #enter: (connection: Connection) => BackendStream;
  readonly #onLeft: (waiter: Waiter) => void;

  constructor(pool: Pool, settings: PipelineSettings, context: PipelineContext) {
    this.#pool = pool;
    this.#settings = settings;
    this.#context = context;
    this.#depth = new PipelineDepth(settings.depthMax);
    this.#enter = (connection) => this.#entered(connection);
    this.#onLeft = (waiter) => this.#waiting.delete(waiter);
  }

  /** Requests that wait for a place on a shared connection; for tests. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Connections with streams on them. */
  get busyCount(): number {
    return this.#busy.length;
  }

  /** What it has come to for now. */
  get depth(): number {
    return this.#trust.isTrusted(this.nowMs()) ? this.#depth.depth : 1;
  }

  nowMs(): number {
    return this.#context.nowMs();
  }

  acquire(nowMs: number, claimant: Claimant, wantsFresh = false): BackendStream | Waiter {
    if (wantsFresh || !this.#trust.isTrusted(nowMs)) return this.#pool.acquire(nowMs, claimant, wantsFresh);
    const pipeline = this.#choose(nowMs);
    if (pipeline !== null) return this.#join(pipeline, nowMs);
    const got = this.#pool.acquire(nowMs, claimant, false, this.#enter);
    if (got instanceof Waiter) {
      got.onLeft = this.#onLeft;
      this.#waiting.add(got);
      return got;
    }
    return this.#join(this.#begin(got), nowMs);
  }

  release(stream: BackendStream, nowMs: number): void {
    if (stream instanceof PipelinedStream) stream.pipeline.leave(stream, nowMs);
    else this.#pool.release(stream, nowMs);
  }

  onAnswered(pipeline: Pipeline, stream: PipelinedStream, nowMs: number): void {
    if (!stream.isAbandoned) {
      if (stream.wasQueued) {
        this.#pool.pipelined++;
        this.#trust.onAnswered();
      }
      this.#depth.onAnswered(nowMs - stream.sinceMs, stream.wasQueued, nowMs);
    }
    if (this.#waiting.size > 0 || this.#pool.starvingCount > 0) this.#giveRoom(pipeline, nowMs);
  }

  onEmpty(pipeline: Pipeline, nowMs: number): void {
    this.#forget(pipeline);
    this.#pool.release(pipeline.connection, nowMs);
  }

  onClosed(pipeline: Pipeline, nowMs: number): void {
    this.#forget(pipeline);
    this.#pool.release(pipeline.connection, nowMs);
  }

  onBroken(lost: number, nowMs: number): void {
    this.#pool.pipelineLost += lost;
    if (this.#trust.onBroken(lost, nowMs)) this.#fellBack(lost);
  }

  onSurplus(nowMs: number): void {
    if (this.#trust.onSurplus(nowMs)) this.#fellBack(0);
  }

  onHeldUp(count: number, nowMs: number): void {
    this.#pool.pipelineLost += count;
    this.#depth.onLate(nowMs);
  }

  #choose(nowMs: number): Pipeline | null {
    const { depth, overdueMs } = this.#depth;
    const latest = this.#latest;
    if (latest !== null && latest.isFlushDue && latest.hasRoom(depth, overdueMs, nowMs)) {
      if (!this.#isUsedUp(latest, nowMs)) return latest;
    }
    let best: Pipeline | null = null;
    for (let index = 0; index < this.#busy.length; index++) {
      const pipeline = this.#busy[index];
      if (!pipeline.hasRoom(depth, overdueMs, nowMs) || this.#isUsedUp(pipeline, nowMs)) continue;
      if (best === null || pipeline.load < best.load) best = pipeline;
    }
    return best;
  }

  #join(pipeline: Pipeline, nowMs: number): PipelinedStream {
    this.#latest = pipeline;
    return pipeline.join(nowMs);
  }

  #isUsedUp(pipeline: Pipeline, nowMs: number): boolean {
    const { exchangesMax, ageMsMax } = this.#settings;
    return (exchangesMax > 0 && pipeline.exchanges >= exchangesMax) ||
      nowMs - pipeline.connection.createdMs >= ageMsMax;
  }

  #begin(connection: Connection): Pipeline {
    let pipeline = this.#known.get(connection);
    if (pipeline === undefined) {
      pipeline = new Pipeline(connection, this);
      this.#known.set(connection, pipeline);
    }
    pipeline.begin();
    this.#busy.push(pipeline);
    this.#context.deadlines.add(pipeline);
    return pipeline;
  }

  /** A connection comes for one who waits in the pool's line, and may have room for others there. */
  #entered(connection: Connection): PipelinedStream {
    const nowMs = this.nowMs();
    const pipeline = this.#begin(connection);
    const stream = this.#join(pipeline, nowMs);
    this.#giveRoom(pipeline, nowMs);
    return stream;
  }

  #giveRoom(pipeline: Pipeline, nowMs: number): void {
    if (this.#pool.starvingCount > this.#leavingCount()) {
      pipeline.isLeaving = true;
      return;
    }
    const { depth, overdueMs } = this.#depth;
    for (const waiter of this.#waiting) {
      if (!pipeline.hasRoom(depth, overdueMs, nowMs) || this.#isUsedUp(pipeline, nowMs)) return;
      if (this.#pool.forget(waiter)) waiter.settle(this.#join(pipeline, nowMs));
    }
  }

  #leavingCount(): number {
    let count = 0;
    for (const pipeline of this.#busy) if (pipeline.isLeaving) count++;
    return count;
  }

  #forget(pipeline: Pipeline): void {
    const index = this.#busy.indexOf(pipeline);
    if (index < 0) return;
    this.#busy.splice(index, 1);
    this.#context.deadlines.remove(pipeline);
    if (this.#latest === pipeline) this.#latest = null;
  }

  #fellBack(lost: number): void {
    this.#pool.pipelineFallbacks++;
    this.#context.onFallback({ forMs: FALLBACK_MS, lost });
  }
}
