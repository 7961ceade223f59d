/** `sluice status`: how the running proxy and its backends are. */

import type { StatusView } from "../../admin/views.ts";
import { AdminClient } from "../admin_client.ts";
import { ADMIN_HELP, ADMIN_OPTIONS, AdminError, adminTarget, targetText } from "../admin_target.ts";
import { namesOf, upstreamNamed } from "../backend_name.ts";
import type { Command } from "../command.ts";
import { type OptionSpecs, parseArguments, refuseMoreThan, UsageError } from "../options.ts";
import { STDOUT, untilInterrupted, watchScreen, widthOf } from "../terminal/screen.ts";
import { isAllWell, statusLines } from "../terminal/status_lines.ts";
import { styleFor } from "../terminal/style.ts";

const INTERVAL_MS = 1000;
const NOT_WELL = 3;

const OPTIONS: OptionSpecs = {
  "--json": { kind: "flag", doc: "as JSON" },
  "--watch": { kind: "flag", doc: "again every second" },
  "-w": { kind: "flag", doc: "again every second" },
  "--exit-code": { kind: "flag", doc: "3 when not all is well" },
  "--names": { kind: "flag", doc: "names of the backends only" },
  "--health": { kind: "flag", doc: "only whether it is alive" },
  "--ready": { kind: "flag", doc: "only whether it is ready" },
  ...ADMIN_OPTIONS,
};

export const status: Command = {
  name: "status",
  usage: "status [UPSTREAM] [--watch]",
  summary: "how the running proxy and its backends are",
  help: `sluice status [UPSTREAM] [--json] [--watch] [--exit-code]
sluice status --health | --ready | --names

Asks the admin API of the running proxy and prints what it is doing, then a line a backend: its state and why, for how
long, its weight, exchanges in flight, requests per second, share of its upstream, mean time to the response head,
and connections. Rates, shares and latencies are of the last 10 s.

  -w, --watch       draw it again every second until Ctrl-C; one block a second when stdout is no terminal
  --json            what the API answers (with --watch: one line a second)
  --exit-code       exit with 3 when it is not ready, or a backend is out that no operator took out
  --health          print nothing; exit with 0 when /healthz answers 200, else 1: the health check of a container
  --ready           the same for /readyz
  --names           "upstream/backend", one a line
${ADMIN_HELP}

Exit status: 0 it answered; 1 it could not be reached or asked; 2 wrong usage; 3 see --exit-code.`,
  options: OPTIONS,
  operands: ["upstream"],
  async execute(args) {
    const parsed = parseArguments(args, OPTIONS);
    refuseMoreThan(1, parsed);
    const { flags, operands } = parsed;
    if (["--health", "--ready", "--names", "--watch", "-w"].filter((name) => flags.has(name)).length > 1) {
      throw new UsageError("of --health, --ready, --names and --watch only one can be given");
    }
    const client = new AdminClient(await adminTarget(parsed));
    if (flags.has("--health")) return await probe(client, "/healthz");
    if (flags.has("--ready")) return await probe(client, "/readyz");
    const read = async () => only(await client.get<StatusView>("/api/status"), operands[0]);
    if (flags.has("--names")) {
      for (const name of namesOf((await read()).upstreams)) console.log(name);
      return 0;
    }
    const style = styleFor(Deno.stdout);
    const isJson = flags.has("--json");
    const isWatching = flags.has("--watch") || flags.has("-w");
    const draw = (view: StatusView) =>
      isJson
        ? [JSON.stringify(view, null, isWatching ? 0 : 2)]
        : statusLines(view, { style, width: widthOf(STDOUT), nowMs: Date.now() });
    if (isWatching) return await watch(read, draw, { client, isJson });
    const view = await read();
    for (const line of draw(view)) console.log(line);
    return flags.has("--exit-code") && !isAllWell(view) ? NOT_WELL : 0;
  },
};

async function probe(client: AdminClient, path: string): Promise<number> {
  const { status, text } = await client.send({ method: "GET", path });
  if (status === 200) return 0;
  console.error(`sluice: ${path} at ${targetText(client.target)} answered ${status}: ${text.trim()}`);
  return 1;
}

/** A proxy that can't be reached at first is an error; one that goes away later may come back. */
async function watch(
  read: () => Promise<StatusView>,
  draw: (view: StatusView) => readonly string[],
  { client: { target }, isJson }: { client: AdminClient; isJson: boolean },
): Promise<number> {
  const style = styleFor(Deno.stdout);
  let first: StatusView | null = await read();
  const picture = async () => {
    try {
      const view = first ?? await read();
      first = null;
      return draw(view);
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
      const line = `${new Date().toISOString().slice(11, 19)} UTC, ${targetText(target)}: ${error.message}`;
      if (!isJson) return [style.red(line)];
      console.error(`sluice: ${line}`); // who reads JSON lines must find nothing else among them
      return [];
    }
  };
  const options = { output: STDOUT, intervalMs: INTERVAL_MS, blockEnd: isJson ? "" : "\n" };
  await untilInterrupted((signal) => watchScreen(picture, { ...options, signal }));
  return 0;
}

function only(view: StatusView, upstream: string | undefined): StatusView {
  return upstream === undefined ? view : { ...view, upstreams: [upstreamNamed(view.upstreams, upstream)] };
}
