/** One route at one of its hosts: what the table sorts, looks up and compares. */

import { ANY_HOST, type HostPattern, parseHostPattern } from "./host_pattern.ts";
import { parsePathPattern, type PathPattern } from "./path_pattern.ts";
import { Precedence } from "./precedence.ts";
import type { Matched, RouteSpec } from "./types.ts";

export interface RouteEntry<T> {
  readonly route: RouteSpec<T>;
  readonly host: HostPattern;
  readonly path: PathPattern;
  readonly precedence: Precedence;
  /** The result for every request that captures nothing. */
  readonly bare: Matched<T>;
}

const NO_PARAMS: readonly string[] = [];

export class RouteMatched<T> implements Matched<T> {
  readonly route: RouteSpec<T>;
  readonly tail: string;
  readonly params: readonly string[];

  constructor(route: RouteSpec<T>, tail: string = "", params: readonly string[] = NO_PARAMS) {
    this.route = route;
    this.tail = tail;
    this.params = params;
  }

  get rest(): string {
    return this.tail.slice(1);
  }
}

/**
 * One entry per route and distinct host, in the order given.
 *
 * @throws {SyntaxError} For a host or path that is no pattern; the message begins with the route's name.
 */
export function routeEntries<T>(routes: ReadonlyArray<RouteSpec<T>>): Array<RouteEntry<T>> {
  return routes.flatMap((route) => {
    try {
      return entriesOf(route);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new SyntaxError(`Route "${route.name}" (line ${route.line}): ${error.message}`, { cause: error });
    }
  });
}

function entriesOf<T>(route: RouteSpec<T>): Array<RouteEntry<T>> {
  const path = parsePathPattern(route.match.path);
  const hosts = [...new Set(route.match.hosts)].map(parseHostPattern);
  const bare = new RouteMatched(route);
  return (hosts.length === 0 ? [ANY_HOST] : hosts).map((host) => {
    return { route, host, path, precedence: new Precedence(host, path, route.match), bare };
  });
}
