/** `sluice permissions`: the Deno flags that a configuration needs, and no others. */

import { requiredPermissions } from "../config/permissions.ts";
import { loadFromDisk } from "../runtime/load.ts";
import { type Command, defaultConfigPath } from "./command.ts";
import { parseArguments, UsageError } from "./options.ts";

export const permissions: Command = {
  name: "permissions",
  usage: "permissions [FILE]",
  summary: "the exact Deno flags that a configuration needs",
  help: `sluice permissions [FILE]

Prints the flags for "deno run" that FILE (default: $SLUICE_CONFIG, else config.toml) needs: the addresses it listens on
and connects to, the files it reads and writes, the variables it looks at. A reload that needs more than was granted is
refused and says what is missing.`,
  async execute(args) {
    const { operands } = parseArguments(args, {});
    if (operands.length > 1) throw new UsageError(`unexpected argument "${operands[1]}"`);
    const { config, files, envNames } = await loadFromDisk(operands[0] ?? defaultConfigPath());
    console.log(requiredPermissions(config, files, { envNames }).map(shellQuoted).join(" "));
    return 0;
  },
};

function shellQuoted(text: string): string {
  // The "*" of SLUICE_* matches no file name that begins with "--", and quotes would not survive `$(sluice permissions)`.
  return /^[\w@%+=:,./*-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
