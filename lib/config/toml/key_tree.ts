/**
 * Which keys a TOML document has defined so far: what may still be added to what (TOML 1.0, "Keys", "Table", "Inline
 * Table", "Array of Tables").
 *
 * A node remembers how it came to be, because that decides who may extend it: a table that a header named once is
 * closed to a second header; one made by a dotted key is closed to headers; an inline table or array is closed to all.
 */

import { joinIndex, joinKey } from "./key_path.ts";

type NodeKind =
  /** A header's middle part (`a` of `[a.b]`): is only there for its parts. */
  | "implicit"
  /** Named by a header. */
  | "table"
  /** Made by a dotted key. */
  | "dotted"
  /** The list that `[[a]]` appends to; `current` is its last element. */
  | "tables"
  /** Anything after `=`. */
  | "value";

export interface KeyNode {
  readonly kind: NodeKind;
  readonly path: string;
  /** Where it was first mentioned. */
  readonly line: number;
  readonly children: Map<string, KeyNode>;
  /** The number of elements, for "tables". */
  count: number;
  current: KeyNode | null;
}

/** A key that is defined twice. */
export interface KeyClash {
  readonly line: number;
  readonly key: string;
  readonly message: string;
}

export class KeyTree {
  readonly lines = new Map<string, number>();
  readonly clashes: KeyClash[] = [];
  readonly root: KeyNode = node("table", "", 1);

  /** `[a.b]`. @returns The table that the keys below belong to. */
  openTable(segments: readonly string[], line: number): KeyNode {
    const parent = this.#descend(segments, line);
    const name = segments[segments.length - 1];
    const known = parent.children.get(name);
    if (known === undefined) return this.#add(parent, name, "table", line);
    if (known.kind === "implicit") {
      // TOML allows it, the parser of @std/toml (1.0) does not: it would fail with a message that explains nothing.
      const message = `the header [${known.path}] must stand above those of its parts, the first of which is at line`;
      this.clashes.push({ line, key: known.path, message: `${message} ${known.line}` });
      return detached(known.path, line);
    }
    this.#clash(known, line, known.kind === "table" ? "already defined" : "already set");
    return detached(known.path, line);
  }

  /** `[[a.b]]`. @returns The new element. */
  openElement(segments: readonly string[], line: number): KeyNode {
    const parent = this.#descend(segments, line);
    const name = segments[segments.length - 1];
    let list = parent.children.get(name);
    if (list === undefined) list = this.#add(parent, name, "tables", line);
    if (list.kind !== "tables") {
      this.#clash(list, line, "already set");
      return detached(list.path, line);
    }
    const element = node("table", joinIndex(list.path, list.count++), line);
    list.current = element;
    this.lines.set(element.path, line);
    return element;
  }

  /** `a.b = …` below a header. @returns The node of the value. */
  setKey(table: KeyNode, segments: readonly string[], line: number): KeyNode {
    let parent = table;
    for (const name of segments.slice(0, -1)) {
      const known = parent.children.get(name);
      if (known === undefined) parent = this.#add(parent, name, "dotted", line);
      else if (known.kind === "dotted") parent = known;
      else {
        this.#clash(known, line, "already set");
        return detached(joinKey(known.path, segments[segments.length - 1]), line);
      }
    }
    const name = segments[segments.length - 1];
    const known = parent.children.get(name);
    if (known === undefined) return this.#add(parent, name, "value", line);
    this.#clash(known, line, "already set");
    return detached(known.path, line);
  }

  /** An element of an inline array. */
  setElement(list: KeyNode, line: number): KeyNode {
    const element = node("value", joinIndex(list.path, list.count++), line);
    this.#remember(element.path, line);
    return element;
  }

  #descend(segments: readonly string[], line: number): KeyNode {
    let parent = this.root;
    for (const name of segments.slice(0, -1)) {
      const known = parent.children.get(name);
      if (known === undefined) parent = this.#add(parent, name, "implicit", line);
      else if (known.kind === "tables" && known.current !== null) parent = known.current;
      else if (known.kind === "value") {
        this.#clash(known, line, "already set");
        return detached(known.path, line);
      } else parent = known;
    }
    return parent;
  }

  #add(parent: KeyNode, name: string, kind: NodeKind, line: number): KeyNode {
    const child = node(kind, joinKey(parent.path, name), line);
    parent.children.set(name, child);
    this.#remember(child.path, line);
    return child;
  }

  #remember(path: string, line: number): void {
    if (!this.lines.has(path)) this.lines.set(path, line);
  }

  #clash(known: KeyNode, line: number, claim: string): void {
    this.clashes.push({ line, key: known.path, message: `${claim} at line ${known.line}` });
  }
}

/** A node that nothing refers to: what comes after a clash is still read, and clashes with nothing more. */
function detached(path: string, line: number): KeyNode {
  return node("table", path, line);
}

function node(kind: NodeKind, path: string, line: number): KeyNode {
  return { kind, path, line, children: new Map(), count: 0, current: null };
}
