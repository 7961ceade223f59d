/**
 * The connections to one backend.
 *
 * Every decision is made synchronously, in one call, on plain fields: which connection serves whom, who waits, what is
 * opened, what is closed. Only dialling takes time, and it comes back through one method (`#dialled`).
 *
 * - Idle connections are used newest first: the old ones run into their idle timeout and the pool shrinks to what the
 *   traffic needs.
 * - Who finds no idle connection gets a `Ticket`. While there is room a dial is begun for it; otherwise it queues,
 *   bounded in number and time. A ticket is served by whatever comes first, a dialled connection or a released one.
 * - A failed dial fails the ticket that has waited longest for one. Others have dials of their own.
 *
 * `total` = active + idle + dialling ≤ `connectionsMax`, always.
 */

import { ProxyError } from "../base/errors.ts";
import { LiveList } from "../base/live_list.ts";
import type { BackendStream, StreamSource } from "./backend_stream.ts";
import type { Connection } from "./connection.ts";
import type { Deadlines, Timed } from "./deadlines.ts";

export interface PoolSettings {
  readonly connectionsMax: number;
  readonly idleMax: number;
  readonly idleMin: number;
  readonly idleTimeoutMs: number;
  readonly ageMsMax: number;
  /** Exchanges per connection; 0: no limit. */
  readonly exchangesMax: number;
  readonly queueMax: number;
  readonly queueTimeoutMs: number;
}

export interface PoolContext {
  readonly deadlines: Deadlines;
  nowMs(): number;
  /** @throws {ProxyError} */
  dial(): Promise<Connection>;
}

/** After a failed dial nothing is opened beforehand for so long: a dead backend is not hammered for warmth. */
const PREWARM_PAUSE_MS = 1000;

export type EnterConnection = (connection: Connection) => BackendStream;

/** A place in the line for a connection. */
export class Ticket implements Timed {
  deadlineMs: number;
  deadlineIndex = -1;
  readonly #pool: Pool;
  readonly #enter: EnterConnection | null;
  readonly #settled: PromiseWithResolvers<BackendStream> = Promise.withResolvers();

  /** @param enter What to make of a connection; null: who waits wants it whole. */
  constructor(pool: Pool, deadlineMs: number, enter: EnterConnection | null) {
    this.#pool = pool;
    this.deadlineMs = deadlineMs;
    this.#enter = enter;
  }

  get stream(): Promise<BackendStream> {
    return this.#settled.promise;
  }

  get wantsWhole(): boolean {
    return this.#enter === null;
  }

  /** Gives the place up; who waits on it gets `error`. Does nothing once it is served. */
  cancel(error: ProxyError): void {
    if (this.#pool.forget(this)) this.#settled.reject(error);
  }

  onDeadline(): void {
    this.cancel(new ProxyError("queue_timeout"));
  }

  /** For who has taken the ticket out of the line already. */
  settle(outcome: BackendStream | ProxyError): void {
    if (outcome instanceof ProxyError) this.#settled.reject(outcome);
    else this.#settled.resolve(outcome);
  }

  /** The pool's own, as `settle()`. */
  serve(connection: Connection): void {
    this.#settled.resolve(this.#enter === null ? connection : this.#enter(connection));
  }
}

export class Pool implements StreamSource {
  readonly name: string;
  readonly #settings: PoolSettings;
  readonly #context: PoolContext;
  readonly #idle: Connection[] = [];
  readonly #tickets: Ticket[] = [];
  readonly #active: LiveList<Connection> = new LiveList();
  readonly #onDead: (connection: Connection) => void;
  #dialling = 0;
  #wholeWaiting = 0;
  #prewarmAfterMs = 0;
  #isClosed = false;
  #keepsIdle = true;
  #keepsWarm = true;
  /** Since the start, for metrics and tests. */
  opened = 0;
  reused = 0;
  /** Counted by who has several exchanges share connections: answered behind others, sent again because of others, … */
  pipelined = 0;
  pipelineLost = 0;
  /** … and how often the backend was found unable. */
  pipelineFallbacks = 0;

  constructor(name: string, settings: PoolSettings, context: PoolContext) {
    this.name = name;
    this.#settings = settings;
    this.#context = context;
    this.#onDead = (connection) => this.#evict(connection);
  }

  get activeCount(): number {
    return this.#active.size;
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  get waitingCount(): number {
    return this.#tickets.length;
  }

  /** Who waits for a connection of their own that no dial will bring. */
  get starvingCount(): number {
    return Math.max(0, this.#wholeWaiting - this.#dialling);
  }

  get total(): number {
    return this.#active.size + this.#idle.length + this.#dialling;
  }

  /**
   * A connection at once, or a place in the line for one. The caller owns the connection until `release`.
   *
   * @param wantsFresh Never an idle one: the attempt before met a stale connection.
   * @param enter See `Ticket`.
   * @throws {ProxyError} `queue_full`.
   */
  acquire(nowMs: number, wantsFresh = false, enter: EnterConnection | null = null): Connection | Ticket {
    if (!wantsFresh) {
      const connection = this.#takeIdle(nowMs);
      if (connection !== null) return connection;
    } else if (this.#idle.length > 0 && this.total >= this.#settings.connectionsMax) {
      this.#idle.shift()!.close(); // room for the fresh one; the oldest is the least likely to be missed
    }
    const mayDial = this.total < this.#settings.connectionsMax;
    if (!mayDial && this.#tickets.length - this.#dialling >= this.#settings.queueMax) {
      throw new ProxyError("queue_full");
    }
    const ticket = new Ticket(this, mayDial ? Infinity : nowMs + this.#settings.queueTimeoutMs, enter);
    this.#tickets.push(ticket);
    if (enter === null) this.#wholeWaiting++;
    this.#context.deadlines.add(ticket);
    if (mayDial) this.#dial();
    return ticket;
  }

  /** Takes a connection back, for the next in line, to be kept, or to be closed. Once per acquired connection. */
  release(stream: BackendStream, nowMs: number): void {
    const connection = stream as Connection; // it gives nothing else
    if (!this.#active.remove(connection)) return;
    if (this.#mayKeep(connection, nowMs)) {
      this.#offer(connection, nowMs);
    } else {
      connection.close();
    }
    this.#dialForWaiting();
  }

  /** Takes a ticket out of the line. @returns Whether it was in it. */
  forget(ticket: Ticket): boolean {
    const index = this.#tickets.indexOf(ticket);
    if (index < 0) return false;
    this.#tickets.splice(index, 1);
    if (ticket.wantsWhole) this.#wholeWaiting--;
    this.#context.deadlines.remove(ticket);
    return true;
  }

  /** Closes what is idle for too long or too old, and keeps `idleMin` warm. To be called about once a second. */
  sweep(nowMs: number): void {
    for (let index = 0; index < this.#idle.length;) {
      const connection = this.#idle[index];
      const isExpired = nowMs - connection.idleSinceMs >= this.#settings.idleTimeoutMs ||
        this.#isTooOld(connection, nowMs);
      if (!isExpired) {
        index++;
        continue;
      }
      this.#idle.splice(index, 1);
      connection.close();
    }
    if (this.#isClosed || !this.#keepsIdle || !this.#keepsWarm || nowMs < this.#prewarmAfterMs) return;
    const spare = this.#idle.length + this.#dialling - this.#tickets.length;
    const room = this.#settings.connectionsMax - this.total;
    for (let missing = Math.min(this.#settings.idleMin - spare, room); missing > 0; missing--) this.#dial();
  }

  /**
   * Whether connections are kept between exchanges, and some warm (`idleMin`). Without the first the pool serves as before, but idle
   * connections close now and all others after their exchange: its backend is gone from the configuration, and only
   * exchanges that began before may still go there.
   */
  keepIdle(isWanted: boolean, isWarm = isWanted): void {
    this.#keepsIdle = isWanted;
    this.#keepsWarm = isWarm;
    if (!isWanted) { for (const connection of this.#idle.splice(0)) connection.close(); }
  }

  /** No new connections; idle ones close now, active ones when they are released. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#idle.splice(0)) connection.close();
    if (this.#active.size === 0) this.#failAll(new ProxyError("backend_unavailable"));
  }

  /** Closes even what is in use; whoever uses it gets `error`. */
  abort(error: ProxyError): void {
    this.close();
    this.#failAll(error);
    for (const connection of this.#active.snapshot()) connection.abort(error);
  }

  toString(): string {
    return `pool ${this.name}: ${this.#active.size} active, ${this.#tickets.length} waiting, ${this.#idle.length} idle`;
  }

  #takeIdle(nowMs: number): Connection | null {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return null;
      connection.unpark();
      const isStale = nowMs - connection.idleSinceMs >= this.#settings.idleTimeoutMs ||
        this.#isTooOld(connection, nowMs);
      if (!isStale && !connection.isClosed) {
        this.#active.add(connection);
        this.reused++;
        return connection;
      }
      connection.close();
    }
  }

  #mayKeep(connection: Connection, nowMs: number): boolean {
    if (!connection.canReuse || this.#isClosed || !this.#keepsIdle) return false;
    const isUsedUp = this.#settings.exchangesMax > 0 && connection.exchanges >= this.#settings.exchangesMax;
    return !isUsedUp && !this.#isTooOld(connection, nowMs);
  }

  #isTooOld(connection: Connection, nowMs: number): boolean {
    return nowMs - connection.createdMs >= this.#settings.ageMsMax;
  }

  /** To the first in line, else to the idle ones while there is room. */
  #offer(connection: Connection, nowMs: number): void {
    const ticket = this.#tickets[0];
    if (ticket !== undefined) {
      this.forget(ticket);
      this.#active.add(connection);
      ticket.serve(connection);
    } else if (this.#idle.length < this.#settings.idleMax && !this.#isClosed && this.#keepsIdle) {
      this.#idle.push(connection);
      connection.park(nowMs, this.#onDead);
    } else {
      connection.close();
    }
  }

  #evict(connection: Connection): void {
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    connection.close();
  }

  #dialForWaiting(): void {
    if (this.#isClosed && this.#active.size === 0) this.#failAll(new ProxyError("backend_unavailable"));
    while (this.#tickets.length > this.#dialling && this.total < this.#settings.connectionsMax) this.#dial();
  }

  #dial(): void {
    this.#dialling++;
    this.#context.dial().then(
      (connection) => this.#dialled(connection),
      (error) => this.#dialFailed(error),
    );
  }

  #dialled(connection: Connection): void {
    this.#dialling--;
    this.opened++;
    this.#offer(connection, this.#context.nowMs());
  }

  #dialFailed(error: unknown): void {
    this.#dialling--;
    this.#prewarmAfterMs = this.#context.nowMs() + PREWARM_PAUSE_MS;
    const ticket = this.#tickets[0];
    if (ticket !== undefined) {
      this.forget(ticket);
      ticket.settle(error instanceof ProxyError ? error : new ProxyError("connect_failed", "", error));
    }
    this.#dialForWaiting();
  }

  #failAll(error: ProxyError): void {
    for (const ticket of [...this.#tickets]) ticket.cancel(error);
  }
}
