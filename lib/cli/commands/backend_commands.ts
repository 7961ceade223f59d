/** `sluice drain | disable | enable | weight`: what an operator does to one backend, live and until it is taken back. */

import type { OutcomeView, StatusView } from "../../admin/views.ts";
import { AdminClient } from "../admin_client.ts";
import { ADMIN_HELP, ADMIN_OPTIONS, AdminError, adminTarget } from "../admin_target.ts";
import { type BackendName, backendNamed } from "../backend_name.ts";
import { parseDuration } from "../../base/duration.ts";
import type { Command } from "../command.ts";
import {
  type OptionSpecs,
  parseArguments,
  type ParsedArguments,
  refuseMoreThan,
  UsageError,
  valueOf,
} from "../options.ts";
import { pause, untilInterrupted } from "../terminal/screen.ts";

const WEIGHT_MAX = 65535;
const POLL_MS = 200;
const WAIT_DEFAULT = "30s";
const INTERRUPTED = 130;

const NAME_HELP = `BACKEND is a name when only one upstream has a backend of that name, else "upstream/name"
("sluice status --names" lists them).`;
const KEPT_HELP = `It is kept over reloads, until "sluice enable" or a restart.`;
const EXIT_HELP = `Exit status: 0 done; 1 it could not be done; 2 wrong usage, or no such backend.`;

const DRAIN_OPTIONS: OptionSpecs = {
  "--wait": { kind: "flag", doc: "until nothing is in flight" },
  "--timeout": { kind: "value", doc: "how long to wait" },
  ...ADMIN_OPTIONS,
};
const WEIGHT_OPTIONS: OptionSpecs = {
  "--clear": { kind: "flag", doc: "the weight of the file again" },
  ...ADMIN_OPTIONS,
};

export const drain: Command = {
  name: "drain",
  usage: "drain BACKEND [--wait]",
  summary: "take a backend out without losing a request",
  help: `sluice drain BACKEND [--wait] [--timeout 30s]

The backend gets no new requests; what is in flight on it, streams and WebSockets too, goes on to its end. It is probed
as before. ${KEPT_HELP}

${NAME_HELP}

  --wait            wait until nothing is in flight on it any more
  --timeout TIME    but not longer ("90s", "5m"; default ${WAIT_DEFAULT}); then exit with 1, and it stays drained
${ADMIN_HELP}

${EXIT_HELP}`,
  options: DRAIN_OPTIONS,
  operands: ["backend"],
  async execute(args) {
    const parsed = parseArguments(args, DRAIN_OPTIONS);
    const timeout = valueOf(parsed, "--timeout");
    if (timeout !== undefined && !parsed.flags.has("--wait")) throw new UsageError("--timeout needs --wait");
    const timeoutMs = durationOf(timeout ?? WAIT_DEFAULT);
    const { client, name } = await addressed("drain", parsed);
    const code = await command(client, name, "drain");
    if (code !== 0 || !parsed.flags.has("--wait")) return code;
    return await untilInterrupted((signal) => untilEmpty(client, name, { timeoutMs, signal }));
  },
};

export const disable: Command = simple(
  "disable",
  "take a backend out, and stop probing it",
  `The backend gets no new requests and is not probed either; what is in flight on it goes on to its end.
${KEPT_HELP}`,
);

export const enable: Command = simple(
  "enable",
  "undo drain, disable and weight",
  `Ends "drain" and "disable" of a backend and clears a weight that was set. It takes requests again, unless its probes
have meanwhile found it down.`,
);

export const weight: Command = {
  name: "weight",
  usage: "weight BACKEND N | --clear",
  summary: "give a backend another share of the traffic",
  help: `sluice weight BACKEND N
sluice weight BACKEND --clear

Sets the weight of a backend, 0 to ${WEIGHT_MAX}, over that of the file; 0 takes no new requests.
${KEPT_HELP}

${NAME_HELP}

  --clear           the weight of the file again
${ADMIN_HELP}

${EXIT_HELP}`,
  options: WEIGHT_OPTIONS,
  operands: ["backend", "nothing"],
  async execute(args) {
    const parsed = parseArguments(args, WEIGHT_OPTIONS);
    const wanted = weightOf(parsed);
    const { client, name } = await addressed("weight", { ...parsed, operands: parsed.operands.slice(0, 1) });
    return report(
      await client.command({
        method: "PUT",
        path: `${pathOf(name)}/weight`,
        body: { type: "application/json", text: JSON.stringify({ weight: wanted }) },
      }),
    );
  },
};

function simple(name: "disable" | "enable", summary: string, explained: string): Command {
  return {
    name,
    usage: `${name} BACKEND`,
    summary,
    help: `sluice ${name} BACKEND

${explained}

${NAME_HELP}

${ADMIN_HELP}

${EXIT_HELP}`,
    options: ADMIN_OPTIONS,
    operands: ["backend"],
    async execute(args) {
      const { client, name: backend } = await addressed(name, parseArguments(args, ADMIN_OPTIONS));
      return await command(client, backend, name);
    },
  };
}

async function addressed(
  command: string,
  parsed: ParsedArguments,
): Promise<{ client: AdminClient; name: BackendName }> {
  if (parsed.operands.length === 0) throw new UsageError(`${command} needs a backend`);
  refuseMoreThan(1, parsed);
  const client = new AdminClient(await adminTarget(parsed));
  const { upstreams } = await client.get<StatusView>("/api/status");
  return { client, name: backendNamed(upstreams, parsed.operands[0]) };
}

async function command(client: AdminClient, name: BackendName, word: "drain" | "disable" | "enable"): Promise<number> {
  return report(await client.command({ method: "POST", path: `${pathOf(name)}/${word}` }));
}

/** Prints what came of it. @returns The exit status. */
export function report({ ok, message, problems }: OutcomeView): number {
  const print = ok ? console.log : console.error;
  print(ok ? message : `sluice: ${message}`);
  for (const problem of problems) print(`  ${problem}`);
  return ok ? 0 : 1;
}

/** Names may hold what a path does not: "unix:/run/app.sock". */
function pathOf({ upstream, backend }: BackendName): string {
  return `/api/backends/${encodeURIComponent(upstream)}/${encodeURIComponent(backend)}`;
}

async function untilEmpty(
  client: AdminClient,
  name: BackendName,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<number> {
  const label = `${name.upstream}/${name.backend}`;
  const deadlineMs = performance.now() + timeoutMs;
  let last = -1;
  for (;;) {
    const { upstreams } = await client.get<StatusView>("/api/status");
    const backend = upstreams.find(({ name: each }) => each === name.upstream)
      ?.backends.find(({ name: each }) => each === name.backend);
    if (backend === undefined) throw new AdminError(`${label} is not in the configuration any more`);
    const { inFlight } = backend;
    if (inFlight !== last) console.log(inFlight === 0 ? `${label} is empty` : `${label}: ${inFlight} in flight`);
    last = inFlight;
    if (inFlight === 0) return 0;
    if (signal.aborted) return INTERRUPTED;
    const restMs = deadlineMs - performance.now();
    if (restMs <= 0) {
      console.error(`sluice: ${label} still has ${inFlight} in flight after ${timeoutMs / 1000} s; it stays drained`);
      return 1;
    }
    await pause(Math.min(POLL_MS, restMs), signal);
  }
}

function weightOf({ flags, operands }: ParsedArguments): number | null {
  if (flags.has("--clear")) {
    if (operands.length > 1) throw new UsageError("weight takes a number or --clear, not both");
    return null;
  }
  const [, text] = operands;
  if (operands.length > 2) throw new UsageError(`unexpected argument "${operands[2]}"`);
  if (text === undefined) throw new UsageError("weight needs a backend and a number, or --clear");
  const value = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (value < 0 || value > WEIGHT_MAX) {
    throw new UsageError(`a weight is a whole number from 0 to ${WEIGHT_MAX}, got "${text}"`);
  }
  return value;
}

function durationOf(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new UsageError(`--timeout ${(error as Error).message}`);
  }
}
