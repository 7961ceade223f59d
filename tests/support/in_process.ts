/** Sluice within the test's own process, for what can only be looked at from inside. */

import { SYSTEM_CLOCK } from "../../lib/base/clock.ts";
import { EventRings } from "../../lib/runtime/operator/event_rings.ts";
import { EventLog } from "../../lib/runtime/logs/event_log.ts";
import { Sluice } from "../../lib/runtime/sluice.ts";

/** @param path Of the configuration. Who starts it shuts it down. */
export function startInProcess(path: string): Promise<Sluice> {
  return Sluice.start({
    version: "1.2.3",
    path,
    clock: SYSTEM_CLOCK,
    events: new EventRings(() => SYSTEM_CLOCK.epochMs()),
    log: new EventLog("error", () => SYSTEM_CLOCK.epochMs()),
    seed: 1,
    stickySecret: "0123456789abcdef",
  });
}
