/**
 * The program with a hand between its control thread and the workers, to make one of them fail where it would not by
 * itself. `SLUICE_TEST_MEDDLE` says what is done, once, and to which worker:
 *
 *     refuse ID    a plan after the first comes without its backends: with a new one it can't be compiled
 *     crash ID     an error that the worker does not survive, when a plan after the first comes
 *     refuse_members ID  new members of an upstream come without their memory, and can't be compiled
 *     crash_members ID   an error that the worker does not survive, when new members come
 *     level ID     the same, when the log level is set
 *     late ID      it is told half a second late that the next plan is in force
 */

import { main } from "../../lib/cli/main.ts";
import type { ToWorker } from "../../lib/runtime/workers/worker_messages.ts";

const [what, id] = (Deno.env.get("SLUICE_TEST_MEDDLE") ?? "").split(" ");
/** Nothing is prepared that could be committed: the worker gives itself up. */
const DEADLY: ToWorker = { kind: "commit", change: 0 };
const LATE_MS = 500;
let isDone = false;

globalThis.Worker = class extends Worker {
  readonly #isVictim: boolean;

  constructor(url: string | URL, options?: WorkerOptions) {
    super(url, options);
    this.#isVictim = options?.name === `sluice worker ${id}`;
  }

  override postMessage(message: ToWorker): void {
    if (!this.#isVictim || isDone) return super.postMessage(message);
    const isPlan = message.kind === "prepare" && message.plan.generation > 1;
    if (isPlan && what === "refuse") {
      isDone = true;
      return super.postMessage({ ...message, plan: { ...message.plan, backendRows: [] } });
    }
    const isMembers = message.kind === "prepare_members";
    if (isMembers && what === "refuse_members") {
      isDone = true;
      return super.postMessage({ ...message, members: { ...message.members, memory: null! } });
    }
    if (message.kind === "commit" && message.change > 1 && what === "late") {
      isDone = true;
      return void setTimeout(() => super.postMessage(message), LATE_MS);
    }
    if (
      (isPlan && what === "crash") || (isMembers && what === "crash_members") ||
      (message.kind === "log_level" && what === "level")
    ) {
      isDone = true;
      super.postMessage(DEADLY);
    }
    super.postMessage(message);
  }
};

Deno.exit(await main(Deno.args));
