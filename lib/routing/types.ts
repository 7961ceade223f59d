/**
 * What goes into the route table and what comes out of it.
 *
 * Everything is compared as it came. The path is never decoded or normalised: `%2F` is not a slash, `%61` is not `a`,
 * `/a/../b` lies below `/a`, `//a` begins with an empty segment, and `/A` is not `/a`. A backend that decodes may see
 * another resource than the one that was routed, so routes say where a request goes, not who may send it.
 */

/** When a route applies. The shape of `RouteMatch` of the validated configuration. */
export interface RouteCriteria {
  /** Lower case: "example.com" or "*.example.com" (any depth below, not the apex); empty: any. */
  readonly hosts: readonly string[];
  /** "/a", "/a/*" ("/a" and below), "/users/:id", "/users/:id/*". "/*" matches everything, also `OPTIONS *`. */
  readonly path: string;
  /** Upper case, compared exactly (GET does not imply HEAD); empty: any. */
  readonly methods: readonly string[];
  /** Lower-case names; all must hold. "*": present; else the whole value. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  /** As `headers`. Raw bytes, no decoding; the first parameter of that name counts. */
  readonly query: ReadonlyArray<readonly [name: string, value: string]>;
}

/** What a message needs to name a route. */
export interface RouteLabel {
  readonly name: string;
  /** 1-based line in the configuration. */
  readonly line: number;
}

export interface RouteSpec<T> extends RouteLabel {
  readonly match: RouteCriteria;
  /** Whatever the owner of the table does with the route. */
  readonly value: T;
}

/** What a request brings to the look-up. Read during `match()` only; never retained. */
export interface RouteInput {
  /** The authority as sent, or already `routingHost(authority)`, which saves the table doing it. */
  readonly host: string;
  /** Request target up to "?", as it came: begins with "/", or is "*". */
  readonly path: string;
  /** Request target after "?"; "" when there is none. */
  readonly query: string;
  readonly method: string;
  /**
   * Value of a request field, null when absent; repeated fields count as one value, however the caller joins them.
   * Called only when a route that fits so far has header conditions.
   *
   * @param name Lower case.
   */
  field(name: string): string | null;
}

/** What a pattern captured from the path, for rewrites. */
export interface Captures {
  /** What `*` matched with its leading slash: "" for "/a" on "/a/*", "/" for "/a/", "/b" for "/a/b". */
  readonly tail: string;
  /** What each ":name" matched, in the order of the route's path; never empty strings. */
  readonly params: readonly string[];
}

/** Immutable; one object is shared by all requests that captured nothing. */
export interface Matched<T> extends Captures {
  readonly route: RouteSpec<T>;
  /** `tail` without its leading slash. */
  readonly rest: string;
}
