/** Hosts of routes: exact names, and wildcards that stand for any number of labels (at least one) in front. */

export interface HostPattern {
  /** As written; "" for any host. */
  readonly text: string;
  readonly kind: HostKind;
  /** The exact name, or what follows "*." in a wildcard; "" for any host. */
  readonly name: string;
  /** Labels in `name`; 0 for any host. */
  readonly labels: number;
}

export type HostKind = "exact" | "wildcard" | "any";

export const ANY_HOST: HostPattern = { text: "", kind: "any", name: "", labels: 0 };

const COLON = 0x3a;
const DOT = 0x2e;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;

/**
 * The form in which hosts are compared: lower case (ASCII only), no port, no trailing dot. Allocates nothing when the
 * authority is in that form already. Does not validate: what is no host stays something that no pattern equals.
 */
export function routingHost(authority: string): string {
  let end = authority.length;
  let hasUpper = false;
  let isBracketed = false;
  for (let i = 0; i < authority.length; i++) {
    const code = authority.charCodeAt(i);
    if (code >= 0x41 && code <= 0x5a) hasUpper = true;
    else if (code === BRACKET_OPEN && i === 0) isBracketed = true;
    else if (code === BRACKET_CLOSE) isBracketed = false;
    else if (code === COLON && !isBracketed) {
      end = i;
      break;
    }
  }
  if (end > 1 && authority.charCodeAt(end - 1) === DOT) end -= 1;
  const host = end === authority.length ? authority : authority.slice(0, end);
  return hasUpper ? host.replace(/[A-Z]+/g, (run) => run.toLowerCase()) : host;
}

/** @throws {SyntaxError} When it could never match a host in routing form. */
export function parseHostPattern(text: string): HostPattern {
  const isWildcard = text.startsWith("*.");
  const name = isWildcard ? text.slice(2) : text;
  if (text === "*") throw new SyntaxError(`Cannot use host "*": leave the host out to match any`);
  if (name.includes("*")) {
    throw new SyntaxError(
      `Cannot use host ${JSON.stringify(text)}: "*" must be the whole first label, as in "*.a.com"`,
    );
  }
  if (name === "" || name !== routingHost(name)) {
    throw new SyntaxError(
      `Cannot use host ${JSON.stringify(text)}: must be a lower-case name without port or trailing dot`,
    );
  }
  if (/[^!-~]|[/?#@\\]/.test(name) || (!name.startsWith("[") && name.split(".").includes(""))) {
    throw new SyntaxError(`Cannot use host ${JSON.stringify(text)}: must be a host name or an address`);
  }
  return { text, kind: isWildcard ? "wildcard" : "exact", name, labels: name.split(".").length };
}

/** @param host In routing form. The table does not come here: it looks names up. */
export function hostMatches(pattern: HostPattern, host: string): boolean {
  switch (pattern.kind) {
    case "any":
      return true;
    case "exact":
      return host === pattern.name;
    case "wildcard":
      return host.length > pattern.name.length + 1 && host.endsWith(pattern.name) &&
        host.charCodeAt(host.length - pattern.name.length - 1) === DOT;
  }
}
