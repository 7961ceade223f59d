/** `sluice explain`: which route a request takes and why not the others, and who might serve it. */

import type { ExplanationView } from "../../admin/views.ts";
import { explainRequest, requestToExplain } from "../../plan/people/explain.ts";
import { dryCompile } from "../../runtime/reload/dry_compile.ts";
import { loadFromDisk } from "../../runtime/reload/load.ts";
import { AdminClient } from "../admin_client.ts";
import { ADMIN_HELP, ADMIN_OPTIONS, adminTarget } from "../admin_target.ts";
import { type Command, configPathOf } from "../command.ts";
import { type OptionSpecs, parseArguments, UsageError } from "../options.ts";

type Field = readonly [name: string, value: string];

const OPTIONS: OptionSpecs = {
  "-H": { kind: "repeatable", doc: 'request header, "Name: value"' },
  "--header": { kind: "repeatable", doc: 'request header, "Name: value"' },
  "--live": { kind: "flag", doc: "ask the running proxy, with its health" },
  ...ADMIN_OPTIONS,
};

export const explainCommand: Command = {
  name: "explain",
  usage: "explain METHOD URL [-H …] [--live]",
  summary: "which route and backends a request gets, and why",
  help: `sluice explain METHOD URL [-H "Name: value"]… [--live] [--config FILE]

Prints the route that wins, why the others do not, and the backends that would be picked from: by the configuration
file, or, with --live, by the running proxy with the health of now.

  sluice explain GET http://api.example.com/v1/users
  sluice explain POST /upload -H "Host: files.example.com" -H "X-Beta: 1"
  sluice explain GET / --live

  --live            ask the running proxy
${ADMIN_HELP}

Exit status: 0 explained, also when no route matches; 1 the proxy could not be asked; 2 the arguments or the
configuration are wrong.`,
  options: OPTIONS,
  operands: ["method", "url"],
  async execute(args) {
    const parsed = parseArguments(args, OPTIONS);
    const { operands, values, flags } = parsed;
    if (operands.length !== 2) throw new UsageError("explain needs a method and a URL");
    const fields = parseFields([...values.get("-H") ?? [], ...values.get("--header") ?? []]);
    const [method, url] = operands;
    const request = input(method, url, fields);
    if (flags.has("--live")) {
      const client = new AdminClient(await adminTarget(parsed));
      const body = { type: "application/json", text: JSON.stringify({ method, url, fields }) } as const;
      const { lines } = await client.ask<ExplanationView>({ method: "POST", path: "/api/explain", body });
      for (const line of lines) console.log(line);
      return 0;
    }
    for (const option of ["--admin", "--token"]) {
      if (values.has(option)) throw new UsageError(`${option} needs --live`);
    }
    const { config } = await loadFromDisk(configPathOf(parsed));
    for (const line of explainRequest(await dryCompile(config), request, null).lines) console.log(line);
    return 0;
  },
};

function parseFields(lines: readonly string[]): readonly Field[] {
  return lines.map((line) => {
    const colon = line.indexOf(":");
    if (colon <= 0) throw new UsageError(`-H needs "Name: value", got "${line}"`);
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
}

function input(method: string, url: string, fields: readonly Field[]) {
  try {
    return requestToExplain(method, url, fields);
  } catch (error) {
    throw error instanceof SyntaxError ? new UsageError(error.message) : error;
  }
}
