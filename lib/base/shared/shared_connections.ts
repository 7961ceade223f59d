/**
 * How many connections a listener has, over all workers, and how many of them come from one client: an IPv4 address, or
 * the /64 of an IPv6 one, of which a single machine may use every address.
 *
 * Addresses are counted in a *count-min sketch*: two hashes choose a counter each, and the smaller one bounds the count
 * from above. So a limit per address always holds; it is met too early only by an address that shares both counters with
 * addresses that keep many connections. When 500 of them are at their limit, that is one in 1,100. Rejected: a table
 * of addresses, which would need locks to make and remove entries.
 *
 * The hashes are seeded at the start, so that nobody can choose addresses that collide.
 */

import { clientKey } from "../ip.ts";
import { hashText } from "../hash.ts";
import { ADDRESS_BUCKETS, COUNT_AT, type SharedState } from "./shared_state.ts";

export interface ConnectionLimits {
  /** 0: no limit. */
  readonly connectionsMax: number;
  readonly connectionsPerIpMax: number;
}

/** The count of one listener's connections. */
export interface ConnectionCount {
  /**
   * Counts a connection, unless it is one too many.
   *
   * @param ip "" for a client without an address, which only counts in the total.
   * @returns Whether there is room; `leave` is owed once then.
   */
  enter(ip: string, limits: ConnectionLimits): boolean;
  leave(ip: string): void;
}

/** Where one thread serves: exact. */
export class PrivateConnections implements ConnectionCount {
  readonly #perIp: Map<string, number> = new Map();
  #total = 0;

  enter(ip: string, { connectionsMax, connectionsPerIpMax }: ConnectionLimits): boolean {
    const client = clientKey(ip);
    const ofIp = this.#perIp.get(client) ?? 0;
    if (connectionsMax > 0 && this.#total >= connectionsMax) return false;
    if (connectionsPerIpMax > 0 && ip !== "" && ofIp >= connectionsPerIpMax) return false;
    this.#total++;
    this.#perIp.set(client, ofIp + 1);
    return true;
  }

  leave(ip: string): void {
    this.#total--;
    const client = clientKey(ip);
    const left = this.#perIp.get(client)! - 1;
    if (left === 0) this.#perIp.delete(client);
    else this.#perIp.set(client, left);
  }
}

/** Over all workers. It counts first and looks then, so that two that come at once cannot both be the last one. */
export class SharedConnections implements ConnectionCount {
  readonly #totals: Int32Array;
  readonly #own: Int32Array;
  readonly #seed: number;
  readonly #row: number;

  /** @param row Of the listener, 0 to `LISTENER_ROWS_MAX` - 1. @param seed The same in all threads. */
  constructor(state: SharedState, parts: { readonly region: number; readonly row: number; readonly seed: number }) {
    this.#totals = state.counts;
    this.#own = state.regions[parts.region].own;
    this.#row = COUNT_AT.listeners + parts.row;
    this.#seed = parts.seed ^ Math.imul(parts.row + 1, 0x9e37_79b9);
  }

  enter(ip: string, { connectionsMax, connectionsPerIpMax }: ConnectionLimits): boolean {
    const total = this.#add(this.#row, 1);
    const ofIp = ip === "" ? 0 : this.#addOf(ip, 1);
    const isOver = (connectionsMax > 0 && total > connectionsMax) ||
      (connectionsPerIpMax > 0 && ofIp > connectionsPerIpMax);
    if (isOver) this.leave(ip);
    return !isOver;
  }

  leave(ip: string): void {
    this.#add(this.#row, -1);
    if (ip !== "") this.#addOf(ip, -1);
  }

  /** @returns As many connections as its client may have, at most. */
  #addOf(ip: string, change: number): number {
    const client = clientKey(ip);
    return Math.min(this.#add(this.#bucket(client, 0), change), this.#add(this.#bucket(client, 1), change));
  }

  /** @returns What it is then. */
  #add(index: number, change: number): number {
    Atomics.add(this.#own, index, change);
    return Atomics.add(this.#totals, index, change) + change;
  }

  #bucket(client: string, hash: number): number {
    const at = COUNT_AT.addresses + hash * ADDRESS_BUCKETS;
    return at + (hashText(client, this.#seed + hash * 0x85eb_ca6b) & (ADDRESS_BUCKETS - 1));
  }
}
