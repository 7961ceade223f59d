/**
 * How many connections of a bounded pool each client holds, and who may have one more.
 *
 * A client is an address (IPv6: a /64, which is what one household or machine is given), behind trusted proxies the one
 * that they vouch for. The last quarter of the connections is for clients that hold little (less than an eighth), so that
 * one client that holds what it gets does not have to be waited for by everybody else. That is so only while there is
 * somebody else: a pool that has served one client alone for `OTHERS_MS` gives it everything.
 *
 * Counting is begun when it matters: when somebody waits, or the pool is nearly full. Until then it costs one comparison
 * of two texts a request.
 */

import { clientKey } from "../base/ip.ts";

const OTHERS_MS = 10_000;
const KEPT_FREE_SHARE = 1 / 4;
const LITTLE_SHARE = 1 / 8;

/** What is held by a client. */
export interface Held {
  /** As `FairShares.clientOf()` gave it. */
  readonly client: string;
}

export class FairShares {
  /** While fewer connections are busy, anybody may have one. */
  readonly #openMax: number;
  readonly #littleMax: number;
  readonly #manyMin: number;
  /** Seen last, and when somebody else was seen before. */
  #ip: string | null = null;
  #client = "";
  #othersAtMs = -Infinity;
  /** Null: not counted. */
  #counts: Map<string, number> | null = null;
  #isNeeded = false;

  /** @param connectionsMax Of the pool; finite. */
  constructor(connectionsMax: number) {
    this.#openMax = connectionsMax - Math.floor(connectionsMax * KEPT_FREE_SHARE);
    this.#littleMax = Math.max(1, Math.floor(connectionsMax * LITTLE_SHARE));
    this.#manyMin = Math.min(connectionsMax, this.#littleMax + 1);
  }

  /** Who asks, from now on called so. To be called for each request. */
  clientOf(ip: string, nowMs: number): string {
    if (ip === this.#ip) return this.#client;
    const client = clientKey(ip);
    if (client !== this.#client && this.#ip !== null) this.#othersAtMs = nowMs;
    this.#ip = ip;
    this.#client = client;
    return client;
  }

  /** Whether anybody may have one more. @param busy Connections in use, or dialled for somebody who waits. */
  isOpen(busy: number, nowMs: number): boolean {
    return busy < this.#openMax || nowMs - this.#othersAtMs >= OTHERS_MS;
  }

  /** Whether who holds so many may have one more in any case. */
  isLittle(held: number): boolean {
    return held < this.#littleMax;
  }

  /** Whoever holds so many has more than what is little, or all that there is. */
  get manyMin(): number {
    return this.#manyMin;
  }

  heldBy(client: string, active: () => readonly Held[]): number {
    this.#isNeeded = true;
    if (this.#counts === null) {
      this.#counts = new Map();
      for (const { client } of active()) this.took(client);
    }
    return this.#counts.get(client) ?? 0;
  }

  took(client: string): void {
    this.#counts?.set(client, (this.#counts.get(client) ?? 0) + 1);
  }

  gave(client: string): void {
    if (this.#counts === null) return;
    const left = this.#counts.get(client)! - 1;
    if (left === 0) this.#counts.delete(client);
    else this.#counts.set(client, left);
  }

  /** Ends counting that nobody has needed since the last call. */
  rest(): void {
    if (!this.#isNeeded) this.#counts = null;
    this.#isNeeded = false;
  }
}
