/** `sluice run`: the proxy itself, until a signal ends it. */

import { SYSTEM_CLOCK } from "../../base/clock.ts";
import { EventRings } from "../../runtime/operator/event_rings.ts";
import { EventLog } from "../../runtime/logs/event_log.ts";
import { Sluice } from "../../runtime/sluice.ts";
import { logUncaught } from "../../runtime/logs/uncaught.ts";
import { type Command, CONFIG_OPTIONS, configPathOf } from "../command.ts";
import { parseArguments, refuseMoreThan } from "../options.ts";
import { VERSION } from "../version.ts";

const STICKY_SECRET_BYTES = 32;

export const run: Command = {
  name: "run",
  usage: "run [--config FILE]",
  summary: "run the proxy (the default command)",
  help: `sluice [run] [--config FILE]

Runs the proxy on FILE (default: $SLUICE_CONFIG, else config.toml) until SIGTERM or SIGINT. Saving the file reloads it;
so does SIGHUP. A second SIGTERM or SIGINT ends it at once.

Events go to stderr, the access log to stdout. Exit status: 0 after a drained stop, 1 when it could not start
(a port in use, a permission missing), 2 when the configuration is wrong.`,
  options: CONFIG_OPTIONS,
  operands: [],
  execute(args) {
    const parsed = parseArguments(args, CONFIG_OPTIONS);
    refuseMoreThan(0, parsed);
    return runProxy(configPathOf(parsed));
  },
};

/** @returns The exit status, once it has stopped. */
export async function runProxy(path: string, onStarted: (sluice: Sluice) => void = () => {}): Promise<number> {
  const log = new EventLog("info", () => SYSTEM_CLOCK.epochMs());
  const stopped = Promise.withResolvers<void>();
  let sluice: Sluice | null = null;
  let isStopping = false;
  const onStop = (signal: Deno.Signal) => {
    if (isStopping) {
      log.warn("signal", { signal, cut_off: sluice?.dataPlane.exchanges ?? 0 });
      Deno.exit(signal === "SIGINT" ? 130 : 143);
    }
    isStopping = true;
    log.info("signal", { signal });
    stopped.resolve();
  };
  const handlers: ReadonlyArray<readonly [Deno.Signal, () => void]> = [
    ["SIGTERM", () => onStop("SIGTERM")],
    ["SIGINT", () => onStop("SIGINT")],
    ["SIGHUP", () => sluice?.reload("SIGHUP")],
  ];
  logUncaught(log);
  for (const [signal, handler] of handlers) Deno.addSignalListener(signal, handler);
  try {
    sluice = await Sluice.start({
      version: VERSION,
      path,
      clock: SYSTEM_CLOCK,
      log,
      events: new EventRings(() => SYSTEM_CLOCK.epochMs()),
      seed: crypto.getRandomValues(new Uint32Array(1))[0],
      stickySecret: crypto.getRandomValues(new Uint8Array(STICKY_SECRET_BYTES)).toHex(),
    });
    onStarted(sluice);
    await stopped.promise;
    await sluice.shutdown();
    return 0;
  } finally {
    for (const [signal, handler] of handlers) Deno.removeSignalListener(signal, handler);
  }
}
