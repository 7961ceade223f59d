/** Rows of shared memory in which listeners count their connections: one a place, kept while the place is in use. */

import { LISTENER_ROWS_MAX } from "../../base/shared/shared_state.ts";

export class ListenerRows {
  readonly #rows: Map<string, number> = new Map();
  readonly #countOf: (row: number) => number;

  /** @param countOf Connections that a row counts now. */
  constructor(countOf: (row: number) => number) {
    this.#countOf = countOf;
  }

  /** @param places All that are, or will be, in use. @throws {RangeError} when there are too many. */
  assign(places: readonly string[]): ReadonlyArray<readonly [place: string, row: number]> {
    const inUse = new Set(places);
    return places.map((place) => {
      const row = this.#rows.get(place) ?? this.#take(inUse);
      this.#rows.set(place, row);
      return [place, row];
    });
  }

  /** Connections that are open at a place now. */
  openAt(place: string): number {
    const row = this.#rows.get(place);
    return row === undefined ? 0 : this.#countOf(row);
  }

  #take(inUse: ReadonlySet<string>): number {
    if (this.#rows.size < LISTENER_ROWS_MAX) return this.#rows.size;
    for (const [place, row] of this.#rows) {
      if (inUse.has(place) || this.#countOf(row) !== 0) continue;
      this.#rows.delete(place);
      return row;
    }
    throw new RangeError(`Cannot count the connections of more than ${LISTENER_ROWS_MAX} listeners`);
  }
}
