/** Command-line arguments, split into a command, its operands and its options. */

import { nearestName } from "../base/nearest.ts";

/** What an operand or the value of an option can be, for completion in a shell. */
export type Completes = "nothing" | "file" | "backend" | "upstream" | "shell" | "method" | "url";

export interface OptionSpec {
  /** Whether it takes a value. A repeatable one collects all of them. */
  readonly kind: "flag" | "value" | "repeatable";
  /** A few words, for completion. */
  readonly doc: string;
  /** Default: nothing. */
  readonly completes?: Completes;
}

/** By name as written: "--config", "-H". */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

export interface ParsedArguments {
  readonly operands: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** The command line is wrong; the message is for the user. Exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A number, and no option: who takes numbers says which ones. */
const NEGATIVE = /^-\d/;

/** @throws {UsageError} */
export function parseArguments(args: readonly string[], specs: OptionSpecs): ParsedArguments {
  const operands: string[] = [];
  const flags = new Set<string>();
  const values = new Map<string, string[]>();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index];
    if (!arg.startsWith("-") || arg === "-" || NEGATIVE.test(arg)) {
      operands.push(arg);
      continue;
    }
    const equals = arg.startsWith("--") ? arg.indexOf("=") : -1;
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const spec = specs[name];
    if (spec === undefined) throw new UsageError(unknownOption(name, Object.keys(specs)));
    if (spec.kind === "flag") {
      if (equals >= 0) throw new UsageError(`option ${name} takes no value`);
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

/** The value of an option that has several names; the first of them that is given counts. */
export function valueOf({ values }: ParsedArguments, ...names: readonly string[]): string | undefined {
  return names.map((name) => values.get(name)?.[0]).find((value) => value !== undefined);
}

/** @throws {UsageError} */
export function refuseMoreThan(count: number, { operands }: ParsedArguments): void {
  if (operands.length > count) throw new UsageError(`unexpected argument "${operands[count]}"`);
}
