/** Where exchanges get their streams, and how they wait for one. */

import { ProxyError } from "../base/errors.ts";
import type { Connection } from "./http1/connection.ts";
import type { Timed } from "./deadlines.ts";
import type { Waiting } from "./waiting_line.ts";
import type { BackendStream, Claimant } from "./backend_stream.ts";

/** Whose line it stands in. */
interface WaiterHolder {
  /** Takes it out of the line. @returns Whether it was in it. */
  forget(waiter: Waiter): boolean;
}

export type EnterConnection = (connection: Connection) => BackendStream;

/** A place in the line for a connection. */
export class Waiter implements Timed, Waiting {
  readonly client: string;
  readonly claimant: Claimant;
  order = -1;
  deadlineMs: number;
  deadlineIndex = -1;
  /** Who else keeps it hears that it has left the line, whichever way. */
  onLeft: ((waiter: Waiter) => void) | null = null;
  #connectByMs = Infinity;
  readonly #pool: WaiterHolder;
  readonly #enter: EnterConnection | null;
  readonly #settled: PromiseWithResolvers<BackendStream> = Promise.withResolvers();

  /** @param enter What to make of a connection; null: who waits wants it whole. */
  constructor(pool: WaiterHolder, { client, claimant, deadlineMs, enter }: {
    readonly client: string;
    readonly claimant: Claimant;
    readonly deadlineMs: number;
    readonly enter: EnterConnection | null;
  }) {
    this.#pool = pool;
    this.client = client;
    this.claimant = claimant;
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

  /**
   * For one that waits for a dial of its own, which may go on for longer: others may have use for what it brings. In a
   * queue the queue's bound counts.
   */
  connectBy(deadlineMs: number): void {
    if (this.deadlineMs === Infinity) this.deadlineMs = this.#connectByMs = deadlineMs;
  }

  onDeadline(): void {
    this.cancel(new ProxyError(this.deadlineMs === this.#connectByMs ? "connect_timeout" : "queue_timeout"));
  }

  /** For who has taken the waiter out of the line already. */
  settle(outcome: BackendStream | ProxyError): void {
    if (outcome instanceof ProxyError) this.#settled.reject(outcome);
    else this.#settled.resolve(outcome);
  }

  /** The pool's own, as `settle()`. */
  serve(connection: Connection): void {
    this.#settled.resolve(this.#enter === null ? connection : this.#enter(connection));
  }
}

/** Where exchanges get their streams. */
export interface StreamSource {
  /**
   * A stream at once, or a place in a line for one. The caller owns the stream until `release`.
   *
   * @param wantsFresh A connection of its own that has not served yet: the attempt before met a stale one.
   * @throws {ProxyError} `queue_full`, `tunnels_full`, `descriptors_exhausted`.
   */
  acquire(nowMs: number, claimant: Claimant, wantsFresh?: boolean): BackendStream | Waiter;
  /** Once per acquired stream. */
  release(stream: BackendStream, nowMs: number): void;
}
