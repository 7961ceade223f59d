/**
 * What a route asks of a request besides host and path: methods, header fields, query parameters.
 *
 * A name has one value per request (the caller joins repeated fields; the first of repeated parameters counts), which
 * is what makes two different exact values of one name disjoint.
 */

import type { RouteCriteria, RouteInput } from "./types.ts";

type Conditions = RouteCriteria["headers"];

const EQUALS = 0x3d;
const AMPERSAND = 0x26;

/** Whether a request meets them all. Allocates nothing; reads fields last, as they may cost the caller. */
export function conditionsHold(criteria: RouteCriteria, input: RouteInput): boolean {
  const { methods, headers, query } = criteria;
  if (methods.length !== 0 && !methods.includes(input.method)) return false;
  for (let i = 0; i < query.length; i++) {
    if (!parameterHolds(input.query, query[i][0], query[i][1])) return false;
  }
  for (let i = 0; i < headers.length; i++) {
    const value = input.field(headers[i][0]);
    if (value === null || (headers[i][1] !== "*" && headers[i][1] !== value)) return false;
  }
  return true;
}

/** Every condition that fails, as a clause for a reader; empty exactly when `conditionsHold()`. */
export function failedConditions(criteria: RouteCriteria, input: RouteInput): string[] {
  const failures: string[] = [];
  const { methods } = criteria;
  if (methods.length > 0 && !methods.includes(input.method)) {
    failures.push(`method ${input.method} is not ${methods.join(" or ")}`);
  }
  collectFailures("header", criteria.headers, (name) => input.field(name), failures);
  collectFailures("query", criteria.query, (name) => queryParameter(input.query, name), failures);
  return failures;
}

/** Whether some request can meet both. Exact: false only when none can. */
export function conditionsOverlap(a: RouteCriteria, b: RouteCriteria): boolean {
  const methodsMeet = a.methods.length === 0 || b.methods.length === 0 ||
    a.methods.some((method) => b.methods.includes(method));
  return methodsMeet && !areDisjoint(a.headers, b.headers) && !areDisjoint(a.query, b.query);
}

/** Raw value of the first parameter of that name, "" when it has no "="; null when absent. */
function queryParameter(query: string, name: string): string | null {
  const nameEnd = findParameter(query, name);
  if (nameEnd === -1) return null;
  if (nameEnd === query.length || query.charCodeAt(nameEnd) !== EQUALS) return "";
  const end = query.indexOf("&", nameEnd);
  return query.slice(nameEnd + 1, end === -1 ? query.length : end);
}

/** `queryParameter()` compared, without making the string. */
function parameterHolds(query: string, name: string, wanted: string): boolean {
  const nameEnd = findParameter(query, name);
  if (nameEnd === -1) return false;
  if (wanted === "*") return true;
  if (nameEnd === query.length || query.charCodeAt(nameEnd) !== EQUALS) return wanted === "";
  const end = nameEnd + 1 + wanted.length;
  if (!query.startsWith(wanted, nameEnd + 1)) return false;
  return end === query.length || query.charCodeAt(end) === AMPERSAND;
}

/** @returns Where the name of the first such parameter ends, or -1. */
function findParameter(query: string, name: string): number {
  if (query.length === 0) return -1;
  let from = 0;
  for (;;) {
    if (query.startsWith(name, from)) {
      const end = from + name.length;
      if (end === query.length) return end;
      const code = query.charCodeAt(end);
      if (code === EQUALS || code === AMPERSAND) return end;
    }
    const ampersand = query.indexOf("&", from);
    if (ampersand === -1) return -1;
    from = ampersand + 1;
  }
}

function areDisjoint(a: Conditions, b: Conditions): boolean {
  return a.some(([name, value]) =>
    value !== "*" && b.some(([otherName, other]) => otherName === name && other !== "*" && other !== value)
  );
}

function collectFailures(
  what: string,
  conditions: Conditions,
  read: (name: string) => string | null,
  failures: string[],
): void {
  for (const [name, wanted] of conditions) {
    const value = read(name);
    if (value === null) failures.push(`${what} ${name} is absent`);
    else if (wanted !== "*" && wanted !== value) {
      failures.push(`${what} ${name} is ${JSON.stringify(value)}, not ${JSON.stringify(wanted)}`);
    }
  }
}
