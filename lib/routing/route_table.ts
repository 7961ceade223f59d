/**
 * Which route a request takes: host first (a hash, then wildcard suffixes from the longest, then any host), then path.
 *
 * Levels are tried from the most specific on, and a level in which nothing holds is passed by, so a request whose
 * method or header fails the specific route still finds the general one. Made once per plan; immutable.
 */

import { routingHost } from "./host_pattern.ts";
import { PathTrie } from "./path_trie.ts";
import { conflictsAmong, RouteConflictError } from "./route_conflicts.ts";
import { routeEntries, type RouteEntry } from "./route_entry.ts";
import type { Matched, RouteInput, RouteSpec } from "./types.ts";

export class RouteTable<T> {
  /** Every route at every of its hosts, best precedence first; ties (which no request shares) as given. */
  readonly entries: ReadonlyArray<RouteEntry<T>>;
  readonly #exact: Map<string, PathTrie<T>>;
  /** By what follows "*.". */
  readonly #wildcards: Map<string, PathTrie<T>>;
  /** The most labels of a wildcard suffix: bounds the look-ups for a host of a thousand labels. */
  readonly #wildcardLabelsMax: number;
  readonly #any: PathTrie<T> | null;

  /**
   * @throws {RouteConflictError} When two routes tie; lists every such pair.
   * @throws {SyntaxError} For a host or path that is no pattern.
   */
  constructor(routes: ReadonlyArray<RouteSpec<T>>) {
    const entries = routeEntries(routes);
    const conflicts = conflictsAmong(entries);
    if (conflicts.length > 0) throw new RouteConflictError(conflicts);
    entries.sort((a, b) => a.precedence.compare(b.precedence));
    const ofKind = (kind: string) => entries.filter(({ host }) => host.kind === kind);
    this.entries = entries;
    this.#exact = triesByName(ofKind("exact"));
    this.#wildcards = triesByName(ofKind("wildcard"));
    this.#wildcardLabelsMax = ofKind("wildcard").reduce((most, { host }) => Math.max(most, host.labels), 0);
    this.#any = triesByName(ofKind("any")).get("") ?? null;
  }

  /** @returns The most specific route whose conditions all hold, or null. Allocates only what it captures. */
  match(input: RouteInput): Matched<T> | null {
    if (this.#exact.size !== 0 || this.#wildcardLabelsMax !== 0) {
      const matched = this.#matchHost(input);
      if (matched !== null) return matched;
    }
    return this.#any === null ? null : this.#any.match(input);
  }

  #matchHost(input: RouteInput): Matched<T> | null {
    let host = input.host;
    let exact = this.#exact.get(host);
    if (exact === undefined) { // Names of the table are in routing form, so a hit needs no second look.
      host = routingHost(host);
      exact = this.#exact.get(host);
    }
    if (exact !== undefined) {
      const matched = exact.match(input);
      if (matched !== null) return matched;
    }
    return this.#wildcardLabelsMax === 0 ? null : this.#matchWildcards(host, input);
  }

  #matchWildcards(host: string, input: RouteInput): Matched<T> | null {
    let dot = host.length;
    for (let labels = 0; labels < this.#wildcardLabelsMax && dot > 0; labels++) {
      const earlier = host.lastIndexOf(".", dot - 1);
      if (earlier <= 0) break; // The wildcard stands for at least one character.
      dot = earlier;
    }
    while (dot !== -1 && dot < host.length) {
      const trie = this.#wildcards.get(host.slice(dot + 1));
      if (trie !== undefined) {
        const matched = trie.match(input);
        if (matched !== null) return matched;
      }
      dot = host.indexOf(".", dot + 1);
    }
    return null;
  }
}

function triesByName<T>(entries: ReadonlyArray<RouteEntry<T>>): Map<string, PathTrie<T>> {
  const byName = Map.groupBy(entries, ({ host }) => host.name);
  return new Map([...byName].map(([name, ofName]) => [name, new PathTrie(ofName)]));
}
