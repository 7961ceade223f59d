/** Rows of shared memory in which listeners count their connections: one an identity, kept while that is in use. */

import { LISTENER_ROWS_MAX } from "../../base/shared/shared_state.ts";

export class ListenerRows {
  readonly #rows: Map<string, number> = new Map();
  readonly #countOf: (row: number) => number;

  /** @param countOf Connections that a row counts now. */
  constructor(countOf: (row: number) => number) {
    this.#countOf = countOf;
  }

  /** @param identities All that are, or will be, in use. @throws {RangeError} when there are too many. */
  assign(identities: readonly string[]): ReadonlyArray<readonly [identity: string, row: number]> {
    const inUse = new Set(identities);
    return identities.map((identity) => {
      const row = this.#rows.get(identity) ?? this.#take(inUse);
      this.#rows.set(identity, row);
      return [identity, row];
    });
  }

  /** Connections that are open at a listener now. */
  openAt(identity: string): number {
    const row = this.#rows.get(identity);
    return row === undefined ? 0 : this.#countOf(row);
  }

  #take(inUse: ReadonlySet<string>): number {
    if (this.#rows.size < LISTENER_ROWS_MAX) return this.#rows.size;
    for (const [identity, row] of this.#rows) {
      if (inUse.has(identity) || this.#countOf(row) !== 0) continue;
      this.#rows.delete(identity);
      return row;
    }
    throw new RangeError(`Cannot count the connections of more than ${LISTENER_ROWS_MAX} listeners`);
  }
}
