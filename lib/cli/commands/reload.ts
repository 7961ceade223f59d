/** `sluice reload`: the running proxy reads its file again, and says what came of it. */

import { AdminClient } from "../admin_client.ts";
import { ADMIN_HELP, ADMIN_OPTIONS, adminTarget } from "../admin_target.ts";
import { report } from "./backend_commands.ts";
import type { Command } from "../command.ts";
import { parseArguments, refuseMoreThan } from "../options.ts";

/** It may look up names and open listeners. */
const TIMEOUT_MS = 30_000;

export const reload: Command = {
  name: "reload",
  usage: "reload",
  summary: "make the running proxy read its file again",
  help: `sluice reload

Saving the file reloads it anyway; this waits for the answer. A file that is wrong changes nothing, and every problem in
it is printed.

${ADMIN_HELP}

Exit status: 0 reloaded; 1 refused, or the proxy could not be asked; 2 wrong usage.`,
  options: ADMIN_OPTIONS,
  operands: [],
  async execute(args) {
    const parsed = parseArguments(args, ADMIN_OPTIONS);
    refuseMoreThan(0, parsed);
    const client = new AdminClient(await adminTarget(parsed));
    return report(await client.command({ method: "POST", path: "/api/reload", timeoutMs: TIMEOUT_MS }));
  },
};
