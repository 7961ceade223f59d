/** main.ts with bugs: at SIGUSR2 a promise is rejected that nobody waits for, and a timer throws. */

import { main } from "../../lib/cli/main.ts";

Deno.addSignalListener("SIGUSR2", () => {
  Promise.reject(new Error("a stray rejection"));
  setTimeout(() => {
    throw new Error("a stray exception");
  }, 0);
});

Deno.exit(await main(Deno.args));
