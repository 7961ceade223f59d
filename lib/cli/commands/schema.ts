/** `sluice schema`: the configuration's description, for editors or for people. */

import { renderReference } from "../../config/schema/reference.ts";
import { jsonSchema } from "../../config/schema/json_schema.ts";
import type { Command } from "../command.ts";
import { type OptionSpecs, parseArguments, refuseMoreThan } from "../options.ts";

const OPTIONS: OptionSpecs = { "--markdown": { kind: "flag", doc: "the reference for people" } };

export const schema: Command = {
  name: "schema",
  usage: "schema [--markdown]",
  summary: "JSON schema of the configuration file",
  help: `sluice schema [--markdown]

Prints the JSON schema (2020-12) of config.toml. Save it as sluice.schema.json and begin the file with
"#:schema ./sluice.schema.json": editors with a TOML language server then complete and check it.

  --markdown   print the reference for people instead (docs/configuration.md)`,
  options: OPTIONS,
  operands: [],
  execute(args) {
    const parsed = parseArguments(args, OPTIONS);
    refuseMoreThan(0, parsed);
    const { flags } = parsed;
    console.log(flags.has("--markdown") ? renderReference().trimEnd() : JSON.stringify(jsonSchema(), null, 2));
    return 0;
  },
};
