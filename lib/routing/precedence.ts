/**
 * Why one route wins over another, as a value that can be compared and printed.
 *
 * When two routes match one request, the more specific wins, in this order:
 *
 *  1. host: exact, then wildcard (more labels first), then any;
 *  2. path, from the left, at the first segment that differs: literal, then parameter, then the end of the path, then
 *     `*`. So an exact path beats every pattern, and of two prefixes of literals the longer wins;
 *  3. methods: given, then any;
 *  4. the number of header and query conditions: more first.
 *
 * Rejected: counting segments before looking at their kinds. "/:tenant/x/*" would beat "/admin/*" for "/admin/x", and
 * the order of the trie's walk would no longer be the order of precedence.
 *
 * The order does not depend on the request. Two values are comparable even when no request matches both.
 */

import type { HostPattern } from "./host_pattern.ts";
import type { PathPattern } from "./path_pattern.ts";
import type { RouteCriteria } from "./types.ts";

const HOST_RANK = { exact: 2, wildcard: 1, any: 0 } as const;

export class Precedence {
  readonly host: HostPattern;
  readonly path: PathPattern;
  readonly hasMethods: boolean;
  /** Header and query conditions together. */
  readonly conditions: number;
  /** One digit a segment: 3 literal, 2 parameter; then 1 the end, or 0 `*`. No rank is a prefix of another. */
  readonly #pathRank: string;

  constructor(host: HostPattern, path: PathPattern, criteria: RouteCriteria) {
    this.host = host;
    this.path = path;
    this.hasMethods = criteria.methods.length > 0;
    this.conditions = criteria.headers.length + criteria.query.length;
    this.#pathRank = path.segments.map((segment) => segment === null ? "2" : "3").join("") +
      (path.isPrefix ? "0" : "1");
  }

  /** @returns Negative when this one wins, positive when the other does, 0 for a tie: sorts winners first. */
  compare(other: Precedence): number {
    const kind = HOST_RANK[other.host.kind] - HOST_RANK[this.host.kind];
    if (kind !== 0) return kind;
    if (this.host.kind === "wildcard" && this.host.labels !== other.host.labels) {
      return other.host.labels - this.host.labels;
    }
    if (this.#pathRank !== other.#pathRank) return this.#pathRank > other.#pathRank ? -1 : 1;
    const methods = Number(other.hasMethods) - Number(this.hasMethods);
    return methods !== 0 ? methods : other.conditions - this.conditions;
  }

  /** The rule by which this one wins over `other`; "equally specific" when it does not. */
  reasonOver(other: Precedence): string {
    if (this.compare(other) >= 0) return "equally specific";
    if (this.host.kind !== other.host.kind) return `${hostWords(this.host)} beats ${hostWords(other.host)}`;
    if (this.host.kind === "wildcard" && this.host.labels !== other.host.labels) {
      return `${hostWords(this.host)} is longer than ${hostWords(other.host)}`;
    }
    if (this.#pathRank !== other.#pathRank) return this.#pathReasonOver(other);
    if (this.hasMethods !== other.hasMethods) return "given methods beat any method";
    return `${conditionWords(this.conditions)} beat ${conditionWords(other.conditions)}`;
  }

  /** One line: `exact host "a.com", path "/v1/*", given methods, 2 conditions`. */
  toString(): string {
    const methods = this.hasMethods ? "given methods" : "any method";
    return `${hostWords(this.host)}, path "${this.path.text}", ${methods}, ${conditionWords(this.conditions)}`;
  }

  #pathReasonOver(other: Precedence): string {
    let at = 0;
    while (this.#pathRank[at] === other.#pathRank[at]) at += 1;
    const [won, lost] = [placeWords(this.path, at), placeWords(other.path, at)];
    return `at segment ${at + 1} of the path, ${won} beats ${lost}`;
  }
}

function hostWords(host: HostPattern): string {
  return host.kind === "any" ? "any host" : `${host.kind} host "${host.text}"`;
}

function conditionWords(count: number): string {
  if (count === 0) return "no conditions";
  return count === 1 ? "1 condition" : `${count} conditions`;
}

function placeWords(path: PathPattern, at: number): string {
  if (at === path.segments.length) return path.isPrefix ? "*" : "the end";
  const segment = path.segments[at];
  if (segment !== null) return JSON.stringify(segment);
  return ":" + path.params[path.segments.slice(0, at).filter((earlier) => earlier === null).length];
}
