/**
 * What outlives a plan: resources counted by the plans that use them, and rows of the backend table.
 *
 * A reload compiles the next plan before it lets the old one go, so a backend that is in both never drops to zero and
 * keeps what it has: its row (in-flight count, averages), its pool with warm connections, its health. The registry does
 * not know what a resource is: pools live in a layer above.
 */

import { type BackendTable, SLOTS_MAX } from "../base/backend_table.ts";

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
export interface SlotSource {
  readonly table: BackendTable;
  /** @param identity Of the connection. @throws {RangeError} when all rows are taken. */
  take(identity: string): number;
  give(slot: number): void;
}

/** Rows as another thread has assigned them. */
export class AssignedSlots implements SlotSource {
  readonly table: BackendTable;
  #slots: ReadonlyMap<string, number> = new Map();

  constructor(table: BackendTable) {
    this.table = table;
  }

  /** @param slots Of the plan that is compiled next. */
  assign(slots: Iterable<readonly [identity: string, slot: number]>): void {
    this.#slots = new Map(slots);
  }

  take(identity: string): number {
    const slot = this.#slots.get(identity);
    if (slot === undefined) throw new RangeError("Cannot use a backend that has no row");
    return slot;
  }

  give(_slot: number): void {}
}

export class Slots implements SlotSource {
  readonly table: BackendTable;
  readonly #free: number[] = [];
  #used = 0;

  constructor(table: BackendTable) {
    this.table = table;
  }

  take(_identity: string): number {
    const slot = this.#free.pop() ?? this.#used++;
    if (slot >= SLOTS_MAX) throw new RangeError(`Cannot hold more than ${SLOTS_MAX} backends at once`);
    // In flight is 0: a row is given back when the last exchange on it has ended.
    this.table.recent[slot] = 0;
    this.table.latencyMs[slot] = 0;
    this.table.latencyAtMs[slot] = 0;
    return slot;
  }

  give(slot: number): void {
    this.#free.push(slot);
  }
}
