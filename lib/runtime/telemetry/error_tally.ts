/**
 * Errors of exchanges, counted until somebody takes the counts (about once a second), so that a storm of them costs a
 * look-up each. Counts are plain data: a worker thread may post them.
 */

import type { ExchangeRecord } from "../../proxy/exchange_record.ts";

export interface ErrorCount {
  readonly code: string;
  readonly count: number;
  /** "": none, or several. */
  readonly route: string;
  /** "api/b1"; "": none, or several. */
  readonly backend: string;
}

/** Apart from each other between two takings; what is more goes under its code alone. */
const KINDS_MAX = 32;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export class ErrorTally {
  readonly #counts: Map<string, Mutable<ErrorCount>> = new Map();

  /** A client that left is no error of anybody here. */
  record({ errorCode: code, route, upstream, backend }: ExchangeRecord): void {
    if (code === "" || code === "client_gone") return;
    const backendName = backend === null || upstream === null ? "" : `${upstream.name}/${backend.name}`;
    this.add({ code, count: 1, route: route?.name ?? "", backend: backendName });
  }

  add({ code, count, route, backend }: ErrorCount): void {
    const key = `${code} ${backend}`;
    const known = this.#counts.get(key);
    if (known !== undefined) {
      known.count += count;
      if (known.route !== route) known.route = "";
    } else if (this.#counts.size < KINDS_MAX) {
      this.#counts.set(key, { code, count, route, backend });
    } else {
      const rest = this.#counts.get(code);
      if (rest === undefined) this.#counts.set(code, { code, count, route: "", backend: "" });
      else rest.count += count;
    }
  }

  /** Those since the last time. */
  take(): readonly ErrorCount[] {
    if (this.#counts.size === 0) return [];
    const counts = [...this.#counts.values()];
    this.#counts.clear();
    return counts;
  }
}
