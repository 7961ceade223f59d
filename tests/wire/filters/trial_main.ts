/** The program with the trial filters in its list, in this thread and in those of workers. */

import "./trial_filters.ts";
import { main } from "../../../lib/cli/main.ts";

globalThis.Worker = class extends Worker {
  constructor(_url: string | URL, options?: WorkerOptions) {
    super(new URL("./trial_worker.ts", import.meta.url), options);
  }
};

Deno.exit(await main(Deno.args));
