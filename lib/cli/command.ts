/** What the command line needs to know of a command. */
export interface Command {
  readonly name: string;
  /** With its operands, as in a list. */
  readonly usage: string;
  readonly summary: string;
  readonly help: string;
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
