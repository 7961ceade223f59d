/**
 * What ties a request to a backend: a hashed key, a cookie, or nothing. One class per kind, chosen at load.
 */

import { hashText } from "../base/hash.ts";
import { readCookie, type SameSite, stickySetCookie, withoutCookie } from "../fields/cookies.ts";
import type { HashKey, HashKeyInput } from "../fields/hash_key.ts";

/** Fixed: the same key goes to the same backend in every worker and after every restart. */
const HASH_SEED = 0x51_0e_52_7f;

export interface Affinity {
  /** Whether `Cookie` has to be rewritten before it goes to a backend. */
  readonly ownsCookie: boolean;
  /** Unsigned 32-bit hash of the request's key; -1 when it has none. */
  keyHash(request: HashKeyInput): number;
  /** Index that a valid cookie names; -1. */
  index(request: HashKeyInput): number;
  /** `Cookie` without ours; null when nothing is left. */
  cookieForBackend(cookie: string): string | null;
  /** Whether an answer from `index` to a client that came with `affinity` sets a cookie. */
  bindsAnew(index: number, affinity: number): boolean;
  /** `Set-Cookie` for an answer from `index`; "" for none. @param isSecure Whether the client came over TLS. */
  setCookie(index: number, isSecure: boolean): string;
}

export class NoAffinity implements Affinity {
  readonly ownsCookie: boolean = false;

  keyHash(_request: HashKeyInput): number {
    return -1;
  }

  index(_request: HashKeyInput): number {
    return -1;
  }

  cookieForBackend(cookie: string): string | null {
    return cookie;
  }

  bindsAnew(_position: number, _affinity: number): boolean {
    return false;
  }

  setCookie(_position: number, _isSecure: boolean): string {
    return "";
  }
}

export class HashAffinity extends NoAffinity {
  readonly #key: HashKey;

  constructor(key: HashKey) {
    super();
    this.#key = key;
  }

  override keyHash(request: HashKeyInput): number {
    const key = this.#key(request);
    return key === null ? -1 : hashText(key, HASH_SEED);
  }
}

export interface StickyOptions {
  readonly cookie: string;
  readonly ttlMs: number;
  readonly sameSite: SameSite;
  /** Cookie value per index. */
  readonly values: readonly string[];
}

export class StickyAffinity implements Affinity {
  readonly ownsCookie: boolean = true;
  readonly #cookie: string;
  readonly #indexes: ReadonlyMap<string, number>;
  readonly #plain: readonly string[];
  readonly #secure: readonly string[];

  /** Cookie lines are made here, once per backend, not per response. */
  constructor({ cookie, ttlMs, sameSite, values }: StickyOptions) {
    this.#cookie = cookie;
    this.#indexes = new Map(values.map((value, index) => [value, index]));
    const lineFor = (value: string, secure: boolean) =>
      stickySetCookie({ name: cookie, value, ttlMs, secure, sameSite });
    this.#plain = values.map((value) => lineFor(value, false));
    this.#secure = values.map((value) => lineFor(value, true));
  }

  keyHash(): number {
    return -1;
  }

  index(request: HashKeyInput): number {
    const header = request.field("cookie");
    if (header === null) return -1;
    const value = readCookie(header, this.#cookie);
    return value === null ? -1 : this.#indexes.get(value) ?? -1;
  }

  cookieForBackend(cookie: string): string | null {
    return withoutCookie(cookie, this.#cookie);
  }

  bindsAnew(index: number, affinity: number): boolean {
    return index !== affinity;
  }

  setCookie(index: number, isSecure: boolean): string {
    return (isSecure ? this.#secure : this.#plain)[index];
  }
}
