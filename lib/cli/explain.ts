/** `sluice explain`: which route a request takes and why not the others, and who might serve it. */

import type { RoutePlan, UpstreamPlan } from "../plan/types.ts";
import { explain, renderExplanation } from "../routing/explanation.ts";
import type { RouteInput } from "../routing/types.ts";
import { dryCompile } from "../runtime/dry_compile.ts";
import { loadFromDisk } from "../runtime/load.ts";
import { type Command, defaultConfigPath } from "./command.ts";
import { parseArguments, UsageError } from "./options.ts";

export const explainCommand: Command = {
  name: "explain",
  usage: "explain METHOD URL [-H …]",
  summary: "which route and backends a request gets, and why",
  help: `sluice explain METHOD URL [-H "Name: value"]… [--config FILE]

Prints the route that wins, why the others do not, and the backends that would be picked from.

  sluice explain GET http://api.example.com/v1/users
  sluice explain POST /upload -H "Host: files.example.com" -H "X-Beta: 1"`,
  async execute(args) {
    const { operands, values } = parseArguments(args, {
      "-H": { kind: "repeatable" },
      "--header": { kind: "repeatable" },
      "--config": { kind: "value" },
      "-c": { kind: "value" },
    });
    if (operands.length !== 2) throw new UsageError("explain needs a method and a URL");
    const fields = parseFields([...values.get("-H") ?? [], ...values.get("--header") ?? []]);
    const input = requestInput(operands[0], operands[1], fields);
    const path = values.get("--config")?.[0] ?? values.get("-c")?.[0] ?? defaultConfigPath();
    const { config } = await loadFromDisk(path);
    const plan = await dryCompile(config);
    const explanation = explain(plan.routes, input);
    for (const line of renderExplanation(explanation)) console.log(line);
    if (explanation.matched === null) return 0;
    for (const line of describeAction(explanation.matched.route.value)) console.log(line);
    return 0;
  },
};

/** Lower-case names to values, lines of one name joined. */
function parseFields(lines: readonly string[]): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon <= 0) throw new UsageError(`-H needs "Name: value", got "${line}"`);
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    const known = fields.get(name);
    fields.set(name, known === undefined ? value : `${known}, ${value}`);
  }
  return fields;
}

function requestInput(method: string, url: string, fields: ReadonlyMap<string, string>): RouteInput {
  const absolute = /^https?:\/\/([^/?#]*)([^#]*)/i.exec(url);
  if (absolute === null && !url.startsWith("/") && url !== "*") {
    throw new UsageError(`URL must begin with "http://", "https://" or "/", got "${url}"`);
  }
  const host = absolute?.[1] ?? fields.get("host") ?? "";
  const target = absolute === null ? url.split("#")[0] : absolute[2].startsWith("/") ? absolute[2] : "/" + absolute[2];
  const queryAt = target.indexOf("?");
  return {
    host,
    method: method.toUpperCase(),
    path: queryAt < 0 ? target : target.slice(0, queryAt),
    query: queryAt < 0 ? "" : target.slice(queryAt + 1),
    field: (name) => name === "host" ? host : fields.get(name) ?? null,
  };
}

function describeAction({ action }: RoutePlan): string[] {
  switch (action.kind) {
    case "redirect":
      return [`answers with a redirect, status ${action.status}`];
    case "respond":
      return [`answers itself, status ${action.status}`];
    case "upstream":
      return describeUpstream(action.upstream);
  }
}

function describeUpstream(upstream: UpstreamPlan): string[] {
  const { config } = upstream;
  const isEveryoneBackup = config.backends.every(({ backup, weight }) => backup || weight === 0);
  const lines = config.backends.map((backend, position) => {
    const isEligible = (upstream.health.eligible[position >>> 5] >>> (position & 31) & 1) === 1;
    const reason = backend.weight === 0
      ? "skipped: weight 0 takes no new traffic"
      : !isEligible
      ? `skipped: ${upstream.judged!.machines[position].state}`
      : backend.backup && !isEveryoneBackup
      ? "backup: only when no other is eligible"
      : `eligible, weight ${backend.weight}`;
    return `  ${backend.name} (${backend.url}): ${reason}`;
  });
  return [`upstream ${upstream.name}, strategy ${config.strategy}:`, ...lines];
}
