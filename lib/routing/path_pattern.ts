/**
 * Paths of routes, cut into segments at each "/".
 *
 * A segment is literal or a parameter; a pattern ends where the path must end, or in `*`. An empty segment is a segment:
 * "/a/" has two, and only "/a/" or a prefix matches it. A parameter matches exactly one segment that is not empty.
 */

export interface PathPattern {
  /** As written. */
  readonly text: string;
  /** Literal text of each segment; null for a parameter. */
  readonly segments: ReadonlyArray<string | null>;
  /** Names of the parameters, in order. */
  readonly params: readonly string[];
  /** Whether it ends in "/*". */
  readonly isPrefix: boolean;
  /** The pattern without the names of its parameters: equal shapes match equal paths. */
  readonly shape: string;
}

const PARAM = /^:([A-Za-z_][A-Za-z0-9_]*)$/;

/** @throws {SyntaxError} When it is no pattern, or could never match a path. */
export function parsePathPattern(text: string): PathPattern {
  if (!text.startsWith("/")) throw refusal(text, `must begin with "/"`);
  if (/[^!-~]/.test(text)) throw refusal(text, "must be printable ASCII without spaces; write other bytes as %XX");
  if (/[?#]/.test(text)) throw refusal(text, `must not contain "?" or "#"; use query conditions`);
  const segments: Array<string | null> = [];
  const params: string[] = [];
  const parts = text.slice(1).split("/");
  const isPrefix = parts[parts.length - 1] === "*";
  if (isPrefix) parts.pop();
  for (const part of parts) {
    if (part.includes("*")) throw refusal(text, `"*" must be the whole last segment, as in "/a/*"`);
    if (!part.startsWith(":")) {
      segments.push(part);
      continue;
    }
    const name = PARAM.exec(part)?.[1];
    if (name === undefined) {
      throw refusal(text, `${JSON.stringify(part)} must be ":" and a name of letters, digits, "_"`);
    }
    if (params.includes(name)) throw refusal(text, `parameter ":${name}" must occur once`);
    params.push(name);
    segments.push(null);
  }
  const shape = "/" + segments.map((segment) => segment ?? ":").concat(isPrefix ? ["*"] : []).join("/");
  return { text, segments, params, isPrefix, shape };
}

/** Whether a path matches, one pattern at a time. The table does not come here: it walks all patterns at once. */
export function pathMatches(pattern: PathPattern, path: string): boolean {
  if (path === "*") return pattern.shape === "/*";
  if (!path.startsWith("/")) return false;
  const parts = path.slice(1).split("/");
  const { segments } = pattern;
  if (pattern.isPrefix ? parts.length < segments.length : parts.length !== segments.length) return false;
  return segments.every((segment, i) => segment === null ? parts[i] !== "" : parts[i] === segment);
}

function refusal(text: string, reason: string): SyntaxError {
  return new SyntaxError(`Cannot use path ${JSON.stringify(text)}: ${reason}`);
}
