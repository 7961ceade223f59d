/** The assertions that tests use, with types: the package behind `@std/assert` comes without any. */

import {
  assert as untypedAssert,
  assertAlmostEquals as untypedAssertAlmostEquals,
  assertEquals as untypedAssertEquals,
  assertMatch as untypedAssertMatch,
  assertNotEquals as untypedAssertNotEquals,
  assertRejects as untypedAssertRejects,
  assertStrictEquals as untypedAssertStrictEquals,
  assertStringIncludes as untypedAssertStringIncludes,
  assertThrows as untypedAssertThrows,
  fail as untypedFail,
} from "@std/assert";

// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

export function assert(condition: unknown, message = ""): asserts condition {
  untypedAssert(condition, message);
}

/** Deep equality. `expected` has the type of `actual`, so that a comparison that cannot hold does not compile. */
export function assertEquals<T>(actual: T, expected: NoInfer<T>, message?: string): void {
  untypedAssertEquals(actual, expected, message);
}

export function assertNotEquals<T>(actual: T, unwanted: NoInfer<T>, message?: string): void {
  untypedAssertNotEquals(actual, unwanted, message);
}

/** Same object or same primitive. */
export function assertStrictEquals<T>(actual: unknown, expected: T, message?: string): asserts actual is T {
  untypedAssertStrictEquals(actual, expected, message);
}

export function assertAlmostEquals(actual: number, expected: number, tolerance = 1e-7, message?: string): void {
  untypedAssertAlmostEquals(actual, expected, tolerance, message);
}

export function assertMatch(actual: string, pattern: RegExp, message?: string): void {
  untypedAssertMatch(actual, pattern, message);
}

export function assertStringIncludes(actual: string, part: string, message?: string): void {
  untypedAssertStringIncludes(actual, part, message);
}

/** Both bounds belong to the range. */
export function assertInRange(actual: number, low: number, high: number, message = ""): void {
  if (actual >= low && actual <= high) return;
  fail(`${message === "" ? "" : `${message}: `}Expected ${low} to ${high}, got ${actual}`);
}

/** @returns The error, for a closer look. */
export function assertThrows<E extends Error>(
  work: () => unknown,
  errorClass: ErrorClass<E>,
  messageIncludes = "",
): E {
  return untypedAssertThrows(work, errorClass, messageIncludes);
}

/** @returns The error, for a closer look. */
export function assertRejects<E extends Error>(
  work: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  messageIncludes = "",
): Promise<E> {
  return untypedAssertRejects(work, errorClass, messageIncludes);
}

export function fail(message: string): never {
  untypedFail(message);
  throw new Error(message); // not reached: for the types
}
