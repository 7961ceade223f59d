/** `sluice permissions`: the Deno flags that a configuration needs, and no others. */

import { formatAddress } from "../../base/address.ts";
import { loadFromDisk } from "../../runtime/reload/load.ts";
import { permissionsFor } from "../../runtime/reload/permissions.ts";
import { ADMIN_OPTIONS, type AdminTarget, adminTarget } from "../admin_target.ts";
import { type Command, defaultConfigPath } from "../command.ts";
import { type OptionSpecs, parseArguments, refuseMoreThan, UsageError } from "../options.ts";

const OPTIONS: OptionSpecs = {
  "--admin": { kind: "flag", doc: "of the commands that ask a running proxy" },
};

export const permissions: Command = {
  name: "permissions",
  usage: "permissions [FILE] [--admin]",
  summary: "the exact Deno flags that a configuration needs",
  help: `sluice permissions [FILE] [--admin]

Prints the flags for "deno run" that FILE (default: $SLUICE_CONFIG, else config.toml) needs: the addresses it listens on
and connects to, the files it reads and writes, the variables it looks at. A reload that needs more than was granted is
refused and says what is missing.

  --admin   print what status, drain, disable, enable, weight, reload and explain --live need instead: the address of
            [admin] in FILE (or SLUICE_ADMIN), and FILE. "plan NEW" needs --allow-read=NEW beside it`,
  options: OPTIONS,
  operands: ["file"],
  async execute(args) {
    const parsed = parseArguments(args, OPTIONS);
    refuseMoreThan(1, parsed);
    const path = parsed.operands[0] ?? defaultConfigPath();
    const flags = parsed.flags.has("--admin") ? await adminPermissions(path) : await runPermissions(path);
    console.log(flags.map(shellQuoted).join(" "));
    return 0;
  },
};

async function runPermissions(path: string): Promise<readonly string[]> {
  return permissionsFor(await loadFromDisk(path));
}

async function adminPermissions(path: string): Promise<readonly string[]> {
  const { address }: AdminTarget = await adminTarget(parseArguments(["--config", path], ADMIN_OPTIONS));
  const text = formatAddress(address);
  if (text.includes(",") || path.includes(",")) throw new UsageError("a path with a comma can't stand in a Deno flag");
  const read = [path, ...(address.kind === "unix" ? [address.path] : [])];
  const write = address.kind === "unix" ? [`--allow-write=${address.path}`] : [];
  return [`--allow-net=${text}`, `--allow-read=${read.join(",")}`, ...write, "--allow-env=SLUICE_*,TERM"];
}

function shellQuoted(text: string): string {
  // The "*" of SLUICE_* matches no file name that begins with "--", and quotes would not survive `$(sluice permissions)`.
  return /^[\w@%+=:,./*-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
