/**
 * What outlives a plan: resources counted by the plans that use them, and rows of the backend table.
 *
 * A reload compiles the next plan before it lets the old one go, so a backend that is in both never drops to zero and
 * keeps what it has: its row (in-flight count, averages), its pool with warm connections, its health. The registry does
 * not know what a resource is: pools live in a layer above.
 */

import { BACKEND_ROWS_MAX, type BackendTable } from "../base/backend_table.ts";

export interface RegistryEntry<Resource> {
  readonly identity: string;
  readonly resource: Resource;
}

interface CountedEntry<Resource> extends RegistryEntry<Resource> {
  uses: number;
}

export class Registry<Resource> {
  readonly #entries: Map<string, CountedEntry<Resource>> = new Map();
  readonly #dispose: (resource: Resource) => void;

  /** @param dispose Called once for a resource, when the last plan that uses it has ended. */
  constructor(dispose: (resource: Resource) => void) {
    this.#dispose = dispose;
  }

  get size(): number {
    return this.#entries.size;
  }

  *resources(): IterableIterator<Resource> {
    for (const entry of this.#entries.values()) yield entry.resource;
  }

  /** The entry of that identity, made when it is new. Each call is undone by one `release`. */
  acquire(identity: string, create: () => Resource): RegistryEntry<Resource> {
    const known = this.#entries.get(identity);
    if (known !== undefined) {
      known.uses++;
      return known;
    }
    const entry = { identity, resource: create(), uses: 1 };
    this.#entries.set(identity, entry);
    return entry;
  }

  release(entry: RegistryEntry<Resource>): void {
    const known = this.#entries.get(entry.identity);
    if (known === undefined || --known.uses > 0) return;
    this.#entries.delete(known.identity);
    this.#dispose(known.resource);
  }
}

/** Rows of the backend table: taken with a new backend, given back with it. */
export interface BackendRowSource {
  readonly table: BackendTable;
  /** @param identity Of the connection. @throws {RangeError} when all rows are taken. */
  take(identity: string): number;
  give(row: number): void;
}

/** Rows as another thread has assigned them. */
export class AssignedBackendRows implements BackendRowSource {
  readonly table: BackendTable;
  #rows: ReadonlyMap<string, number> = new Map();

  constructor(table: BackendTable) {
    this.table = table;
  }

  /** @param rows Of the plan that is compiled next. */
  assign(rows: Iterable<readonly [identity: string, row: number]>): void {
    this.#rows = new Map(rows);
  }

  take(identity: string): number {
    const row = this.#rows.get(identity);
    if (row === undefined) throw new RangeError("Cannot use a backend that has no row");
    return row;
  }

  give(_slot: number): void {}
}

export class BackendRows implements BackendRowSource {
  readonly table: BackendTable;
  readonly #free: number[] = [];
  #used = 0;

  constructor(table: BackendTable) {
    this.table = table;
  }

  take(_identity: string): number {
    const row = this.#free.pop() ?? this.#used++;
    if (row >= BACKEND_ROWS_MAX) throw new RangeError(`Cannot hold more than ${BACKEND_ROWS_MAX} backends at once`);
    // In flight is 0: a row is given back when the last exchange on it has ended.
    this.table.recent[row] = 0;
    this.table.latencyMs[row] = 0;
    this.table.latencyAtMs[row] = 0;
    return row;
  }

  give(row: number): void {
    this.#free.push(row);
  }
}
