/** `sluice check`: is this configuration good, and what does it come to? */

import { formatIssue } from "../../config/issue.ts";
import { dryCompile } from "../../runtime/reload/dry_compile.ts";
import { loadFromDisk } from "../../runtime/reload/load.ts";
import { type Command, defaultConfigPath } from "../command.ts";
import { type OptionSpecs, parseArguments, refuseMoreThan } from "../options.ts";

const OPTIONS: OptionSpecs = { "--effective": { kind: "flag", doc: "every value with where it came from" } };

export const check: Command = {
  name: "check",
  usage: "check [FILE] [--effective]",
  summary: "validate a configuration; exit 0 or 2",
  help: `sluice check [FILE] [--effective]

Reports every problem of FILE (default: $SLUICE_CONFIG, else config.toml) with its line. Exit status 0 when there is
none, else 2. Warnings are printed and do not count.

  --effective   print every value with where it came from: the file's line, an environment variable, or the default`,
  options: OPTIONS,
  operands: ["file"],
  async execute(args) {
    const parsed = parseArguments(args, OPTIONS);
    refuseMoreThan(1, parsed);
    const { operands, flags } = parsed;
    const path = operands[0] ?? defaultConfigPath();
    const loaded = await loadFromDisk(path);
    await dryCompile(loaded.config);
    for (const issue of loaded.warnings) console.error(`warning: ${formatIssue(path, issue)}`);
    if (flags.has("--effective")) {
      for (const line of loaded.effective) console.log(line);
    } else {
      console.log(`${path}: good`);
    }
    return 0;
  },
};
