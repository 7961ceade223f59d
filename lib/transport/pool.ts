/**
 * The connections to one backend.
 *
 * Every decision is made synchronously, in one call, on plain fields: which connection serves whom, who waits, what is
 * opened, what is closed. Only dialling takes time, and it comes back through one method (`#dialled`).
 *
 * - Idle connections are used newest first: the old ones run into their idle timeout and the pool shrinks to what the
 *   traffic needs.
 * - Who finds no idle connection gets a `Waiter`. While there is room a dial is begun for it; otherwise it queues,
 *   bounded in number and time. A waiter is served by whatever comes first, a dialled connection or a released one.
 * - A failed dial fails the waiter that has waited longest for one, unless there are dials enough without it: whose it was
 *   may have left. Others have dials of their own.
 * - Without a bound (`connectionsMax` 0) nobody queues: there is room as long as the process has descriptors to spare.
 * - With one, clients take turns: see waiting_line.ts and fair_shares.ts; and who holds many and has stalled gives some
 *   back: see reclaim.ts.
 * - A connection on which the protocol was switched is a *tunnel*. It is counted and bounded apart, because it is held for
 *   as long as somebody likes, and says nothing about how many requests a backend can carry out at once.
 *
 * `total` = active + idle + dialling ≤ `connectionsMax`, always, where that is not 0. Tunnels come on top.
 */

import { ProxyError } from "../base/errors.ts";
import { LiveList } from "../base/live_list.ts";
import type { BackendStream, Claimant } from "./backend_stream.ts";
import type { Connection } from "./http1/connection.ts";
import { FairShares } from "./fair_shares.ts";
import type { PoolContext, PoolSettings } from "./pool_settings.ts";
import { Reclaim } from "./reclaim.ts";
import { WaitingLine } from "./waiting_line.ts";
import { type EnterConnection, type StreamSource, Waiter } from "./stream_source.ts";

/** After a failed dial nothing is opened beforehand for so long: a dead backend is not hammered for warmth. */
const PREWARM_PAUSE_MS = 1000;

export class Pool implements StreamSource {
  readonly name: string;
  readonly #settings: PoolSettings;
  readonly #context: PoolContext;
  readonly #connectionsMax: number;
  readonly #tunnelsMax: number;
  /** Null: no bound, so that nobody waits for others. */
  readonly #shares: FairShares | null;
  readonly #reclaim: Reclaim;
  readonly #idle: Connection[] = [];
  readonly #line: WaitingLine<Waiter> = new WaitingLine();
  readonly #active: LiveList<Connection> = new LiveList();
  readonly #tunnels: LiveList<Connection> = new LiveList();
  readonly #onDead: (connection: Connection) => void;
  readonly #heldBy: (client: string) => number;
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
    const { connectionsMax, tunnelsMax } = settings;
    this.name = name;
    this.#settings = settings;
    this.#context = context;
    this.#connectionsMax = connectionsMax > 0 ? connectionsMax : Infinity;
    this.#tunnelsMax = tunnelsMax > 0 ? tunnelsMax : Infinity;
    this.#shares = connectionsMax > 0 ? new FairShares(connectionsMax) : null;
    this.#onDead = (connection) => this.#evict(connection);
    const active = () => this.#active.snapshot();
    this.#heldBy = (client) => this.#shares!.heldBy(client, active);
    this.#reclaim = new Reclaim(active, this.#heldBy);
  }

  get activeCount(): number {
    return this.#active.size;
  }

  get tunnelCount(): number {
    return this.#tunnels.size;
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  get waitingCount(): number {
    return this.#line.size;
  }

  /** Who waits for a connection of their own that no dial will bring. */
  get starvingCount(): number {
    return Math.max(0, this.#wholeWaiting - this.#dialling);
  }

  /** What `connectionsMax` bounds. */
  get total(): number {
    return this.#active.size + this.#idle.length + this.#dialling;
  }

  /** Nothing is open, and nothing will be. */
  get isEmpty(): boolean {
    return this.total + this.#tunnels.size === 0;
  }

  /**
   * A connection at once, or a place in the line for one. The caller owns the connection until `release`.
   *
   * @param wantsFresh Never an idle one: the attempt before met a stale connection.
   * @param enter See `Waiter`.
   * @throws {ProxyError} `queue_full`, `tunnels_full`, `descriptors_exhausted`.
   */
  acquire(
    nowMs: number,
    claimant: Claimant,
    wantsFresh = false,
    enter: EnterConnection | null = null,
  ): Connection | Waiter {
    if (this.#tunnels.size >= this.#tunnelsMax && claimant.request.upgrade !== "") throw new ProxyError("tunnels_full");
    const client = this.#shares === null ? "" : this.#shares.clientOf(claimant.clientIp, nowMs);
    const mayHold = this.#shares === null || this.#mayHold(client, nowMs);
    if (mayHold && !wantsFresh) {
      const connection = this.#takeIdle(nowMs);
      if (connection !== null) return this.#use(connection, client, enter === null ? claimant : null);
    } else if (mayHold && this.#idle.length > 0 && this.total >= this.#connectionsMax) {
      this.#discard(this.#idle.shift()!); // room for the fresh one; the oldest is the least likely to be missed
    }
    const mayDial = mayHold && this.total < this.#connectionsMax;
    if (mayDial && !this.#context.descriptors.mayOpen(nowMs)) throw new ProxyError("descriptors_exhausted");
    if (!mayDial && this.#line.size - this.#dialling >= this.#settings.queueMax) this.#makePlace(client);
    const deadlineMs = mayDial ? Infinity : nowMs + this.#settings.queueTimeoutMs;
    const waiter = new Waiter(this, { client, claimant, deadlineMs, enter });
    this.#line.push(waiter);
    if (enter === null) this.#wholeWaiting++;
    this.#context.deadlines.add(waiter);
    if (mayDial) this.#dial();
    else this.#reclaimFor(client, this.#line.countOf(client) - 1, nowMs);
    return waiter;
  }

  /**
   * The connection carries another protocol from now on, and somebody else may have its place.
   *
   * @throws {ProxyError} `tunnels_full`: others were quicker.
   */
  switched(connection: BackendStream, nowMs: number): void {
    const tunnel = connection as Connection;
    if (this.#tunnels.size >= this.#tunnelsMax) throw new ProxyError("tunnels_full");
    this.#active.remove(tunnel);
    this.#shares?.gave(tunnel.client);
    tunnel.isTunnel = true;
    this.#tunnels.add(tunnel);
    this.#serveWaiting(nowMs);
  }

  /** Takes a connection back, for the next in line, to be kept, or to be closed. Once per acquired connection. */
  release(stream: BackendStream, nowMs: number): void {
    const connection = stream as Connection; // it gives nothing else
    connection.holder = null;
    if (connection.isTunnel) {
      if (this.#tunnels.remove(connection)) this.#discard(connection);
    } else {
      if (!this.#active.remove(connection)) return;
      this.#shares?.gave(connection.client);
      if (this.#mayKeep(connection, nowMs)) this.#offer(connection, nowMs);
      else this.#discard(connection);
    }
    this.#serveWaiting(nowMs);
  }

  /** Takes a waiter out of the line. @returns Whether it was in it. */
  forget(waiter: Waiter): boolean {
    if (!this.#line.remove(waiter)) return false;
    this.#hasLeft(waiter);
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
      this.#discard(connection);
    }
    this.#serveWaiting(nowMs); // those who were held back while there were others
    for (const client of [...this.#line.clients]) this.#reclaimFor(client, this.#dialling, nowMs);
    this.#shares?.rest();
    if (this.#isClosed || !this.#keepsIdle || !this.#keepsWarm || nowMs < this.#prewarmAfterMs) return;
    const spare = this.#idle.length + this.#dialling - this.#line.size;
    const room = this.#connectionsMax - this.total;
    for (let missing = Math.min(this.#settings.idleMin - spare, room); missing > 0; missing--) {
      if (!this.#context.descriptors.mayOpen(nowMs)) return;
      this.#dial();
    }
  }

  /**
   * Whether connections are kept between exchanges, and some warm (`idleMin`). Without the first the pool serves as before, but idle
   * connections close now and all others after their exchange: its backend is gone from the configuration, and only
   * exchanges that began before may still go there.
   */
  keepIdle(isWanted: boolean, isWarm = isWanted): void {
    this.#keepsIdle = isWanted;
    this.#keepsWarm = isWarm;
    if (!isWanted) this.shedIdle();
  }

  /** Closes what nobody uses: others need the descriptors. */
  shedIdle(): void {
    for (const connection of this.#idle.splice(0)) this.#discard(connection);
  }

  /** No new connections; idle ones close now, active ones when they are released. */
  close(): void {
    this.#isClosed = true;
    this.shedIdle();
    if (this.#active.size === 0) this.#failAll(new ProxyError("backend_unavailable"));
  }

  /** Closes even what is in use; whoever uses it gets `error`. */
  abort(error: ProxyError): void {
    this.close();
    this.#failAll(error);
    for (const connection of [...this.#active.snapshot(), ...this.#tunnels.snapshot()]) connection.abort(error);
  }

  toString(): string {
    const tunnels = this.#tunnels.size === 0 ? "" : `, ${this.#tunnels.size} tunnels`;
    const { activeCount, waitingCount, idleCount } = this;
    return `pool ${this.name}: ${activeCount} active, ${waitingCount} waiting, ${idleCount} idle${tunnels}`;
  }

  /** In a bounded pool. What it waits for counts, too: it may be dialled already. */
  #mayHold(client: string, nowMs: number): boolean {
    const shares = this.#shares!;
    return shares.isOpen(this.#active.size + this.#dialling, nowMs) ||
      shares.isLittle(this.#heldBy(client) + this.#line.countOf(client));
  }

  /** @returns Null when nobody waits who may have one more. @param busy As for `FairShares.isOpen()`. */
  #nextInLine(busy: number, nowMs: number): Waiter | null {
    if (this.#shares === null || this.#line.size === 0) return this.#line.oldest;
    const waiter = this.#line.next(this.#heldBy)!;
    return this.#shares.isOpen(busy, nowMs) || this.#shares.isLittle(this.#heldBy(waiter.client)) ? waiter : null;
  }

  /** For a client that waits, if it holds little. @param coming Connections that it may get without. */
  #reclaimFor(client: string, coming: number, nowMs: number): void {
    if (this.#shares === null || this.total < this.#connectionsMax) return;
    if (this.#shares.isLittle(this.#heldBy(client) + coming)) this.#reclaim.one(this.#shares.manyMin, nowMs);
  }

  /** The line is full: who asks more than others gives way. @throws {ProxyError} `queue_full`. */
  #makePlace(client: string): void {
    const waiter = this.#line.dispensableFor(client);
    if (waiter === null) throw new ProxyError("queue_full");
    waiter.cancel(new ProxyError("queue_full"));
  }

  /** Who lost a dial, to another or by its failure, waits as long as those that came without room. */
  #boundWaits(nowMs: number): void {
    const deadlineMs = nowMs + this.#settings.queueTimeoutMs;
    for (const waiter of this.#line.snapshot()) waiter.deadlineMs = Math.min(waiter.deadlineMs, deadlineMs);
  }

  #hasLeft(waiter: Waiter): void {
    if (waiter.wantsWhole) this.#wholeWaiting--;
    this.#context.deadlines.remove(waiter);
    waiter.onLeft?.(waiter);
  }

  #takeIdle(nowMs: number): Connection | null {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return null;
      connection.unpark();
      const isStale = nowMs - connection.idleSinceMs >= this.#settings.idleTimeoutMs ||
        this.#isTooOld(connection, nowMs);
      if (!isStale && !connection.isClosed) {
        this.reused++;
        return connection;
      }
      this.#discard(connection);
    }
  }

  /** @param holder Null: several will share it. */
  #use(connection: Connection, client: string, holder: Claimant | null): Connection {
    connection.client = client;
    connection.holder = holder;
    this.#active.add(connection);
    this.#shares?.took(client);
    return connection;
  }

  /** Every connection that was opened ends here. */
  #discard(connection: Connection): void {
    connection.close();
    this.#context.descriptors.closed();
  }

  #mayKeep(connection: Connection, nowMs: number): boolean {
    if (!connection.canReuse || this.#isClosed || !this.#keepsIdle) return false;
    const isUsedUp = this.#settings.exchangesMax > 0 && connection.exchanges >= this.#settings.exchangesMax;
    return !isUsedUp && !this.#isTooOld(connection, nowMs);
  }

  #isTooOld(connection: Connection, nowMs: number): boolean {
    return nowMs - connection.createdMs >= this.#settings.ageMsMax;
  }

  /** To the next in line, else to the idle ones while there is room. */
  #offer(connection: Connection, nowMs: number): void {
    const waiter = this.#line.size === 0 ? null : this.#nextInLine(this.#active.size, nowMs);
    if (waiter !== null) {
      this.#line.served(waiter);
      this.#hasLeft(waiter);
      return waiter.serve(this.#use(connection, waiter.client, waiter.wantsWhole ? waiter.claimant : null));
    }
    if (this.#line.size > 0) this.#boundWaits(nowMs);
    if (this.#idle.length < this.#settings.idleMax && !this.#isClosed && this.#keepsIdle) {
      this.#idle.push(connection);
      connection.park(nowMs, this.#onDead);
    } else {
      this.#discard(connection);
    }
  }

  #evict(connection: Connection): void {
    const index = this.#idle.indexOf(connection);
    if (index < 0) return connection.close(); // its user gives it back
    this.#idle.splice(index, 1);
    this.#discard(connection);
  }

  /** Whatever has made room: idle connections for those who wait, then dials. */
  #serveWaiting(nowMs: number): void {
    if (this.#line.size === 0) return;
    if (this.#isClosed && this.#active.size === 0) return this.#failAll(new ProxyError("backend_unavailable"));
    while (this.#idle.length > 0 && this.#line.size > 0) {
      const connection = this.#takeIdle(nowMs);
      if (connection === null) break;
      const idle = this.#idle.length;
      this.#offer(connection, nowMs);
      if (this.#idle.length > idle) break; // back among them: whoever waits is not to have it yet
    }
    this.#dialForWaiting(nowMs);
  }

  #dialForWaiting(nowMs: number): void {
    while (this.#line.size > this.#dialling && this.total < this.#connectionsMax) {
      if (this.#nextInLine(this.#active.size + this.#dialling, nowMs) === null) return;
      if (!this.#context.descriptors.mayOpen(nowMs)) return this.#boundWaits(nowMs);
      this.#dial();
    }
  }

  #dial(): void {
    this.#dialling++;
    this.#context.descriptors.opening();
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
    const nowMs = this.#context.nowMs();
    this.#dialling--;
    this.#context.descriptors.closed();
    this.#prewarmAfterMs = nowMs + PREWARM_PAUSE_MS;
    const waiter = this.#line.size > this.#dialling ? this.#line.oldest : null;
    if (waiter !== null) {
      this.forget(waiter);
      waiter.settle(error instanceof ProxyError ? error : new ProxyError("connect_failed", "", error));
    }
    this.#serveWaiting(nowMs);
  }

  #failAll(error: ProxyError): void {
    for (const waiter of this.#line.snapshot()) waiter.cancel(error);
  }
}
