/**
 * Which row of the metrics belongs to which labels.
 *
 * Rows are given when a plan is compiled, so that recording is an index. They outlive plans: a counter never goes back
 * because a file was saved. A row whose labels no plan uses any more keeps its numbers and is still shown. Only when rows
 * run short is the one that has been gone longest cleared and given away; when none is gone, row 0 ("other") takes it.
 *
 * One thread gives rows. Others compile the same configuration with what was given, sent to them as `RowAssignment`s.
 */

import { NO_ROUTE_ROW, OTHER_ROW, ROW_KINDS, type RowKind, ROWS_MAX } from "./layout.ts";

/** Values in the order of the kind's label names. */
export type Labels = readonly string[];

export const LABEL_NAMES: Readonly<Record<RowKind, readonly string[]>> = {
  route: ["route", "upstream"],
  upstream: ["upstream"],
  backend: ["upstream", "backend"],
};

const OTHER_LABELS: Readonly<Record<RowKind, Labels>> = {
  route: ["(other)", ""],
  upstream: ["(other)"],
  backend: ["(other)", "(other)"],
};
const NO_ROUTE_LABELS: Labels = ["(none)", ""];

export interface MetricsRows {
  /** The row of these labels. Each call is undone by one `release`. */
  acquire(kind: RowKind, labels: Labels): number;
  /** @param row As `acquire` gave it. No exchange may write to it for this use any more, in any thread. */
  release(kind: RowKind, row: number): void;
}

/** Plain data: may be posted to a thread. */
export interface RowAssignment {
  readonly kind: RowKind;
  readonly row: number;
  readonly labels: Labels;
}

interface Entry {
  readonly key: string;
  readonly row: number;
  readonly labels: Labels;
  uses: number;
}

interface Shelf {
  readonly byKey: Map<string, Entry>;
  readonly byRow: Entry[];
  /** Without a use, the longest gone first. */
  readonly gone: Set<Entry>;
}

export class RowDirectory implements MetricsRows {
  readonly #shelves: Readonly<Record<RowKind, Shelf>>;
  readonly #onReuse: (kind: RowKind, row: number) => void;
  readonly #rowsMax: Readonly<Record<RowKind, number>>;

  /** @param onReuse Clears a row in all blocks, before its new owner gets it. */
  constructor(
    onReuse: (kind: RowKind, row: number) => void,
    rowsMax: Readonly<Record<RowKind, number>> = ROWS_MAX,
  ) {
    this.#onReuse = onReuse;
    this.#rowsMax = rowsMax;
    this.#shelves = { route: emptyShelf(), upstream: emptyShelf(), backend: emptyShelf() };
    for (const kind of ROW_KINDS) this.#fix(kind, OTHER_ROW, OTHER_LABELS[kind]);
    this.#fix("route", NO_ROUTE_ROW, NO_ROUTE_LABELS);
  }

  acquire(kind: RowKind, labels: Labels): number {
    const shelf = this.#shelves[kind];
    const key = keyOf(labels);
    const entry = shelf.byKey.get(key) ?? this.#create(kind, key, labels);
    if (entry === null) return OTHER_ROW;
    entry.uses++;
    shelf.gone.delete(entry);
    return entry.row;
  }

  release(kind: RowKind, row: number): void {
    const shelf = this.#shelves[kind];
    const entry = shelf.byRow[row];
    if (row === OTHER_ROW || --entry.uses > 0) return;
    shelf.gone.add(entry);
  }

  /** -1 when these labels have no row of their own. */
  find(kind: RowKind, labels: Labels): number {
    return this.#shelves[kind].byKey.get(keyOf(labels))?.row ?? -1;
  }

  /** Rows given so far are below this. */
  count(kind: RowKind): number {
    return this.#shelves[kind].byRow.length;
  }

  /** In the order of their rows. */
  assignments(kind: RowKind): RowAssignment[] {
    return this.#shelves[kind].byRow.map(({ row, labels }) => ({ kind, row, labels }));
  }

  /** All of them, for another thread. */
  all(): RowAssignment[] {
    return ROW_KINDS.flatMap((kind) => this.assignments(kind));
  }

  #create(kind: RowKind, key: string, labels: Labels): Entry | null {
    const shelf = this.#shelves[kind];
    let row = shelf.byRow.length;
    if (row >= this.#rowsMax[kind]) {
      const [longestGone] = shelf.gone;
      if (longestGone === undefined) return null;
      row = longestGone.row;
      shelf.gone.delete(longestGone);
      shelf.byKey.delete(longestGone.key);
      this.#onReuse(kind, row);
    }
    const entry: Entry = { key, row, labels, uses: 0 };
    shelf.byKey.set(key, entry);
    shelf.byRow[row] = entry;
    return entry;
  }

  /** A row that is never given away. */
  #fix(kind: RowKind, row: number, labels: Labels): void {
    const entry: Entry = { key: keyOf(labels), row, labels, uses: 1 };
    this.#shelves[kind].byKey.set(entry.key, entry);
    this.#shelves[kind].byRow[row] = entry;
  }
}

/** What another thread's directory gave. */
export class AssignedRows implements MetricsRows {
  readonly #rows: Map<string, number> = new Map();

  constructor(assignments: readonly RowAssignment[]) {
    this.assign(assignments);
  }

  /** Adds to what is known; labels that have another row by now get that one. */
  assign(assignments: readonly RowAssignment[]): void {
    for (const { kind, row, labels } of assignments) this.#rows.set(`${kind}\n${keyOf(labels)}`, row);
  }

  acquire(kind: RowKind, labels: Labels): number {
    return this.#rows.get(`${kind}\n${keyOf(labels)}`) ?? OTHER_ROW;
  }

  release(_kind: RowKind, _row: number): void {}
}

function emptyShelf(): Shelf {
  return { byKey: new Map(), byRow: [], gone: new Set() };
}

/** Names hold no line break. */
function keyOf(labels: Labels): string {
  return labels.join("\n");
}
