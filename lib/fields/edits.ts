/**
 * A route's edits of request or response fields, compiled: `remove` takes fields away, `set` replaces them, `add`
 * appends to what came. Asked while fields are written, so that nothing is built that is not sent.
 *
 * Of requests, names that differ in their separators alone are removed as well: to a backend behind CGI or its descendants
 * `X_Auth_User` and `X.Auth.User` may be the `X-Auth-User` that a route takes away or sets.
 */

import { foldedName, isSeparatedName } from "../base/field_names.ts";
import { HOP_BY_HOP_NAMES } from "./hop_by_hop.ts";

export type Field = readonly [name: string, value: string];

export interface FieldEditRules {
  readonly set: readonly Field[];
  readonly add: readonly Field[];
  /** Lower case. */
  readonly remove: readonly string[];
}

/** Framing and routing of a message are decided by the proxy; an edit there could only break it. */
const UNEDITABLE = new Set([...HOP_BY_HOP_NAMES, "content-length", "host", "trailer"]);
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** RFC 9110 §5.5: visible characters and obs-text, with single spaces or tabs between them. */
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

/** @returns Whether a configuration may set, add or remove the field; any case. `host` is a setting of the upstream. */
export function editableName(name: string): boolean {
  return TOKEN.test(name) && !UNEDITABLE.has(name.toLowerCase());
}

/** @returns Whether the text can be sent as a field value as it is: Latin-1, no control character, trimmed. */
export function editableValue(value: string): boolean {
  return VALUE.test(value);
}

/** Immutable. The rules have been validated with `editableName()` and `editableValue()`. */
export class FieldEdits {
  readonly isEmpty: boolean;
  readonly #removed: ReadonlySet<string>;
  /** What a reader that knows one separator makes of them; null: only the names themselves are removed. */
  readonly #folded: ReadonlySet<string> | null;
  /** Whether one of the removed names has another separator: then a plain name may look like it. */
  readonly #hasSeparated: boolean;
  /** `set` before `add`, names in lower case. */
  readonly #added: readonly Field[];

  /** @param foldsNames Whether what a backend may read as a removed name is removed, too: for requests. */
  constructor(rules: FieldEditRules, foldsNames = false) {
    const lowered = ([name, value]: Field): Field => [name.toLowerCase(), value];
    this.#removed = new Set([...rules.remove, ...rules.set.map(([name]) => name)].map((name) => name.toLowerCase()));
    this.#added = [...rules.set, ...rules.add].map(lowered);
    this.#hasSeparated = [...this.#removed].some(isSeparatedName);
    this.#folded = foldsNames ? new Set([...this.#removed].map(foldedName)) : null;
    this.isEmpty = this.#removed.size === 0 && this.#added.length === 0;
  }

  /** @param lowerName Lower case. */
  removes(lowerName: string): boolean {
    if (this.#removed.size === 0) return false;
    return this.#removed.has(lowerName) || (this.#folded !== null && this.#looksRemoved(lowerName, this.#folded));
  }

  /** A removed name without another separator than "-" is told by itself. */
  #looksRemoved(lowerName: string, folded: ReadonlySet<string>): boolean {
    return (this.#hasSeparated || isSeparatedName(lowerName)) && folded.has(foldedName(lowerName));
  }

  /** Calls back for each field to write after those that were copied. */
  forEachAdded(write: (name: string, value: string) => void): void {
    for (let index = 0; index < this.#added.length; index++) write(this.#added[index][0], this.#added[index][1]);
  }

  /** The whole edit of a plain list; the same list when there is nothing to do. */
  apply(fields: readonly Field[]): readonly Field[] {
    if (this.isEmpty) return fields;
    return [...fields.filter(([name]) => !this.removes(name.toLowerCase())), ...this.#added];
  }
}

export const NO_EDITS: FieldEdits = new FieldEdits({ set: [], add: [], remove: [] });

/** @returns `NO_EDITS` for rules without an effect, so that callers may compare by identity. */
export function compileEdits(rules: FieldEditRules, foldsNames = false): FieldEdits {
  const edits = new FieldEdits(rules, foldsNames);
  return edits.isEmpty ? NO_EDITS : edits;
}
