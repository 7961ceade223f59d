/** `sluice plan`: what a reload to another file would change, before it happens. */

import type { PlanView, StatusView } from "../../admin/views.ts";
import { ConfigError, formatIssue } from "../../config/issue.ts";
import { loadFromDisk } from "../../runtime/reload/load.ts";
import { NOTHING_RUNS, previewReload } from "../../runtime/reload/preview.ts";
import { AdminClient } from "../admin_client.ts";
import { ADMIN_HELP, ADMIN_OPTIONS, AdminError, adminTarget, targetText } from "../admin_target.ts";
import type { Command } from "../command.ts";
import {
  type OptionSpecs,
  parseArguments,
  type ParsedArguments,
  refuseMoreThan,
  UsageError,
  valueOf,
} from "../options.ts";
import { planLines } from "../terminal/plan_lines.ts";
import { styleFor } from "../terminal/style.ts";

const INVALID = 2;
const DIFFERS = 4;
/** It compiles a configuration. */
const TIMEOUT_MS = 15_000;

const OPTIONS: OptionSpecs = {
  "--against": { kind: "value", doc: "a file instead of the running proxy", completes: "file" },
  "--json": { kind: "flag", doc: "as JSON" },
  "--exit-code": { kind: "flag", doc: "4 when there are changes" },
  ...ADMIN_OPTIONS,
};

export const plan: Command = {
  name: "plan",
  usage: "plan NEW [--against OLD]",
  summary: "what a reload to NEW would change",
  help: `sluice plan NEW [--against OLD] [--json] [--exit-code]

Compares the file NEW with the configuration of the running proxy, through its admin API, or with the file OLD: values
that change, what becomes of listeners, routes, upstreams and backends (with what is in flight on those that go), which
backends keep connections and health, what takes a restart, and warnings. Nothing is changed.

  --against OLD     compare with this file; no proxy need run
  --json            as JSON
  --exit-code       exit with 4 when there are changes
${ADMIN_HELP}

The running proxy reads variables and certificates that NEW names where it runs, as a reload would, but only those that
its running configuration uses: others are problems here, and good in the file itself or with --against.

Exit status: 0 NEW is valid; 1 the proxy could not be asked; 2 NEW (or OLD) is wrong, or a reload would refuse it;
4 see --exit-code.`,
  options: OPTIONS,
  operands: ["file"],
  async execute(args) {
    const parsed = parseArguments(args, OPTIONS);
    if (parsed.operands.length === 0) throw new UsageError("plan needs a file");
    refuseMoreThan(1, parsed);
    const [next] = parsed.operands;
    const old = valueOf(parsed, "--against");
    const { view, against } = old === undefined ? await againstRunning(next, parsed) : await againstFile(next, old);
    if (parsed.flags.has("--json")) console.log(JSON.stringify(view, null, 2));
    else for (const line of planLines(view, { next, against, style: styleFor(Deno.stdout) })) console.log(line);
    if (!view.ok) return INVALID;
    return parsed.flags.has("--exit-code") && view.changes.length > 0 ? DIFFERS : 0;
  },
};

interface Answer {
  readonly view: PlanView;
  /** What it was compared with, in words. */
  readonly against: string;
}

async function againstFile(next: string, old: string): Promise<Answer> {
  const running = await loadFromDisk(old);
  const view = await previewReload(() => loadFromDisk(next), {
    running: running.config,
    facts: NOTHING_RUNS,
    problemsOf: (error) => {
      if (!(error instanceof ConfigError)) throw error;
      return error.issues.map((issue) => formatIssue(error.path, issue));
    },
  });
  return { view, against: old };
}

async function againstRunning(next: string, parsed: ParsedArguments): Promise<Answer> {
  const text = await readNext(next);
  try {
    const client = new AdminClient(await adminTarget(parsed));
    const view = await client.ask<PlanView>({
      method: "POST",
      path: "/api/plan",
      body: { type: "application/toml", text },
      timeoutMs: TIMEOUT_MS,
    });
    const against = `the running configuration at ${targetText(client.target)}`;
    return { view: await namedAs(next, view, client), against };
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    throw new AdminError(`${error.message}\nTo compare with a file instead: sluice plan ${next} --against OLD`);
  }
}

/** The proxy speaks of the text as of its own file; who asked knows it by the name of NEW. */
async function namedAs(next: string, view: PlanView, client: AdminClient): Promise<PlanView> {
  if (view.problems.length === 0 && view.warnings.length === 0) return view;
  const { configPath } = await client.get<StatusView>("/api/status");
  const renamed = (line: string) => line.startsWith(`${configPath}:`) ? next + line.slice(configPath.length) : line;
  return { ...view, problems: view.problems.map(renamed), warnings: view.warnings.map(renamed) };
}

/** An empty text means the running proxy's own file to the admin API, and is never a valid configuration. */
async function readNext(path: string): Promise<string> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    const message = error instanceof Deno.errors.NotFound ? "no such file" : (error as Error).message;
    throw new ConfigError(path, [{ line: 0, key: "", message: `cannot be read: ${message}` }]);
  }
  return text === "" ? "\n" : text;
}
