/** Command-line arguments, split into a command, its operands and its options. */

import { nearestName } from "../base/nearest.ts";

export interface OptionSpec {
  /** Whether it takes a value. A repeatable one collects all of them. */
  readonly kind: "flag" | "value" | "repeatable";
}

export interface ParsedArguments {
  readonly operands: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** The command line is wrong; the message is for the user. Exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * @param specs By name as written: "--config", "-H".
 * @throws {UsageError}
 */
export function parseArguments(args: readonly string[], specs: Readonly<Record<string, OptionSpec>>): ParsedArguments {
  const operands: string[] = [];
  const flags = new Set<string>();
  const values = new Map<string, string[]>();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index];
    if (!arg.startsWith("-") || arg === "-") {
      operands.push(arg);
      continue;
    }
    const equals = arg.startsWith("--") ? arg.indexOf("=") : -1;
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const spec = specs[name];
    if (spec === undefined) throw new UsageError(unknownOption(name, Object.keys(specs)));
    if (spec.kind === "flag") {
      flags.add(name);
      continue;
    }
    const value = equals < 0 ? args[++index] : arg.slice(equals + 1);
    if (value === undefined) throw new UsageError(`option ${name} needs a value`);
    if (spec.kind === "value" || !values.has(name)) values.set(name, [value]);
    else values.get(name)!.push(value);
  }
  return { operands, flags, values };
}

function unknownOption(name: string, known: readonly string[]): string {
  const close = nearestName(name, known);
  return `unknown option ${name}${close === "" ? "" : `; did you mean ${close}?`}`;
}
