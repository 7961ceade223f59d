/**
 * The command line: picks the command, and turns what goes wrong into one clear line and an exit status.
 *
 * 0: done. 1: could not be done (a port in use, a file that can't be written). 2: what the user wrote is wrong
 * (arguments, configuration). 3 and 4: what `--exit-code` asks for (see `status` and `plan`). 130: interrupted.
 */

import { nearestName } from "../base/nearest.ts";
import { ConfigError } from "../config/issue.ts";
import { AccessLogError } from "../runtime/logs/access_log.ts";
import { ListenError } from "../runtime/serving/listener_set.ts";
import { PermissionError } from "../runtime/reload/permissions.ts";
import { AdminError } from "./admin_target.ts";
import { disable, drain, enable, weight } from "./commands/backend_commands.ts";
import { check } from "./commands/check.ts";
import type { Command } from "./command.ts";
import { completionCommand } from "./commands/completion.ts";
import { demo } from "./commands/demo.ts";
import { explainCommand } from "./commands/explain.ts";
import { UsageError } from "./options.ts";
import { permissions } from "./commands/permissions.ts";
import { plan } from "./commands/plan.ts";
import { reload } from "./commands/reload.ts";
import { run } from "./commands/run.ts";
import { schema } from "./commands/schema.ts";
import { status } from "./commands/status.ts";
import { VERSION } from "./version.ts";

const COMMANDS: readonly Command[] = [
  ...[run, check, plan, explainCommand, permissions, schema, demo],
  ...[status, drain, enable, disable, weight, reload],
  completionCommand(() => COMMANDS),
];

/** @returns The exit status. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`sluice: ${error.message}\nTry "sluice --help".`);
      return 2;
    }
    if (error instanceof ConfigError) {
      console.error(error.message);
      return 2;
    }
    if (
      error instanceof ListenError || error instanceof PermissionError || error instanceof AccessLogError ||
      error instanceof AdminError
    ) {
      console.error(`sluice: ${error.message}`);
      return 1;
    }
    console.error("sluice: internal error:", error);
    return 1;
  }
}

function dispatch(args: readonly string[]): Promise<number> | number {
  const [first, ...rest] = args;
  if (first === "--help" || first === "-h" || first === "help") return print(overview());
  if (first === "--version" || first === "-V") return print(`sluice ${VERSION}`);
  const isCommand = first !== undefined && !first.startsWith("-");
  const name = isCommand ? first : "run";
  const command = COMMANDS.find((known) => known.name === name);
  if (command === undefined) throw new UsageError(unknownCommand(name));
  const operands = isCommand ? rest : args;
  if (operands.includes("--version")) return print(`sluice ${VERSION}`);
  if (operands.includes("--help") || operands.includes("-h")) return print(command.help);
  return command.execute(operands);
}

function unknownCommand(name: string): string {
  const close = nearestName(name, COMMANDS.map((known) => known.name));
  return `unknown command "${name}"${close === "" ? "" : `; did you mean "${close}"?`}`;
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ usage }) => usage.length));
  const lines = COMMANDS.map(({ usage, summary }) => `  ${usage.padEnd(width)}  ${summary}`);
  return ["sluice: an edge reverse proxy and load balancer", "", ...lines, "", "  --help, --version everywhere"].join(
    "\n",
  );
}

function print(text: string): number {
  console.log(text);
  return 0;
}
