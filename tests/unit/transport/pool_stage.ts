/** A pool by itself: a dialler that answers when it is told to, a clock that stands still, and its printed state. */

import { assertEquals, assertRejects } from "../../support/assert.ts";
import { ProxyError } from "../../../lib/base/errors.ts";
import type { Claimant } from "../../../lib/transport/backend_stream.ts";
import { Connection } from "../../../lib/transport/http1/connection.ts";
import { Deadlines } from "../../../lib/transport/deadlines.ts";
import { Pool } from "../../../lib/transport/pool.ts";
import type { PoolSettings } from "../../../lib/transport/pool_settings.ts";
import { Waiter } from "../../../lib/transport/stream_source.ts";
import { FakeConn, GET, RESPONSE_BOUNDS } from "./transport_fakes.ts";

const SETTINGS: PoolSettings = {
  connectionsMax: 2,
  tunnelsMax: 0,
  idleMax: 2,
  idleMin: 0,
  idleTimeoutMs: 1000,
  ageMsMax: 10_000,
  exchangesMax: 0,
  queueMax: 2,
  queueTimeoutMs: 100,
};

export const CLIENT: Claimant = {
  clientIp: "127.0.0.1",
  request: { upgrade: "" },
  stalledMs: () => 0,
  cancel: () => {},
};

export class PoolStage {
  readonly deadlines: Deadlines;
  readonly pool: Pool;
  readonly conns: FakeConn[] = [];
  readonly #connOf = new Map<Connection, FakeConn>();
  readonly #dials: PromiseWithResolvers<Connection>[] = [];
  nowMs = 0;
  /** What the budget of descriptors says. */
  mayOpen = true;
  /** Opened and not closed, as the budget has heard. */
  descriptors = 0;

  constructor(settings: Partial<PoolSettings> = {}) {
    this.deadlines = new Deadlines(() => this.nowMs);
    this.pool = new Pool("x/y", { ...SETTINGS, ...settings }, {
      deadlines: this.deadlines,
      descriptors: {
        mayOpen: () => this.mayOpen,
        opening: () => this.descriptors++,
        closed: () => this.descriptors--,
      },
      nowMs: () => this.nowMs,
      dial: () => {
        const dial = Promise.withResolvers<Connection>();
        this.#dials.push(dial);
        return dial.promise;
      },
    });
  }

  /** Dials under way. */
  get dialling(): number {
    return this.#dials.length;
  }

  acquire(wantsFresh = false, claimant = CLIENT): Connection | Waiter {
    return this.pool.acquire(this.nowMs, claimant, wantsFresh);
  }

  waiter(wantsFresh = false): Waiter {
    const got = this.acquire(wantsFresh);
    if (!(got instanceof Waiter)) throw new Error("Expected a waiter, got a connection");
    return got;
  }

  connection(): Connection {
    const got = this.acquire();
    if (got instanceof Waiter) throw new Error("Expected a connection, got a waiter");
    return got;
  }

  /** The oldest dial comes through. */
  async connect(): Promise<FakeConn> {
    const conn = new FakeConn();
    this.conns.push(conn);
    const connection = new Connection(conn.asConn(), RESPONSE_BOUNDS, this.nowMs);
    this.#connOf.set(connection, conn);
    this.#dials.shift()!.resolve(connection);
    await settled();
    return conn;
  }

  async refuse(error: unknown = new ProxyError("connect_refused")): Promise<void> {
    this.#dials.shift()!.reject(error);
    await settled();
  }

  /** Acquires on a new connection. */
  async open(): Promise<Connection> {
    const waiter = this.waiter();
    await this.connect();
    return await wholeOf(waiter);
  }

  /** Carries an exchange out, so that the connection is at a clean end, and gives it back. */
  async useAndRelease(connection: Connection): Promise<void> {
    connection.beginExchange();
    const reading = connection.readHead(GET);
    this.#connOf.get(connection)!.push("HTTP/1.1 204 No Content\r\n\r\n");
    await reading;
    this.pool.release(connection, this.nowMs);
  }

  advance(ms: number): void {
    this.nowMs += ms;
    this.deadlines.tick(this.nowMs);
  }

  assertState(active: number, waiting: number, idle: number): void {
    assertEquals(`${this.pool}`, `pool x/y: ${active} active, ${waiting} waiting, ${idle} idle`);
  }
}

/** Lets everything happen that does not need the outside. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await undefined;
}

/** Nothing else comes out of a line in which everybody wants a whole connection. */
export function wholeOf(waiter: Waiter): Promise<Connection> {
  return waiter.stream as Promise<Connection>;
}

export async function codeOf(waiter: Waiter): Promise<string> {
  return (await assertRejects(() => waiter.stream, ProxyError)).code;
}
