/** `sluice schema`: the configuration's description, for editors or for people. */

import { renderReference } from "../config/reference.ts";
import { jsonSchema } from "../config/schema_json.ts";
import type { Command } from "./command.ts";
import { parseArguments } from "./options.ts";

export const schema: Command = {
  name: "schema",
  usage: "schema [--markdown]",
  summary: "JSON schema of the configuration file",
  help: `sluice schema [--markdown]

Prints the JSON schema (2020-12) of config.toml. Save it as sluice.schema.json and begin the file with
"#:schema ./sluice.schema.json": editors with a TOML language server then complete and check it.

  --markdown   print the reference for people instead (docs/configuration.md)`,
  execute(args) {
    const { flags } = parseArguments(args, { "--markdown": { kind: "flag" } });
    console.log(flags.has("--markdown") ? renderReference().trimEnd() : JSON.stringify(jsonSchema(), null, 2));
    return 0;
  },
};
