/** What the command line needs to know of a command. */

import { type Completes, type OptionSpecs, type ParsedArguments, valueOf } from "./options.ts";

export interface Command {
  readonly name: string;
  /** With its operands, as in a list. */
  readonly usage: string;
  readonly summary: string;
  readonly help: string;
  readonly options: OptionSpecs;
  /** What each operand can be. */
  readonly operands: readonly Completes[];
  /** @returns The exit status. */
  execute(args: readonly string[]): Promise<number> | number;
}

/** The file that a command works on when none is named. */
export function defaultConfigPath(): string {
  try {
    return Deno.env.get("SLUICE_CONFIG") || "config.toml";
  } catch {
    return "config.toml"; // the variable may not be read
  }
}

export const CONFIG_OPTIONS: OptionSpecs = {
  "--config": { kind: "value", doc: "configuration file", completes: "file" },
  "-c": { kind: "value", doc: "configuration file", completes: "file" },
};

/** The file that `--config` names, or the one that counts without it. */
export function configPathOf(parsed: ParsedArguments): string {
  return valueOf(parsed, "--config", "-c") ?? defaultConfigPath();
}
