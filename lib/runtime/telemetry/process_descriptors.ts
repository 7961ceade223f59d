/** The descriptors of this process, as a thread looks after them; what it finds goes to the log. */

import { Descriptors } from "../../transport/descriptors.ts";
import type { EventLog } from "../logs/event_log.ts";

const WHAT_TO_DO = "too few descriptors are left for more connections to backends; raise LimitNOFILE or ulimit -n, " +
  "or bound pool.max_connections and pool.max_tunnels";

/**
 * @param path A file that may be read. What is asked is whether there is a descriptor for it.
 * @param shed To be called when there are too few: closes what nobody uses.
 */
export function processDescriptors(path: string, log: EventLog, shed: () => void): Descriptors {
  return new Descriptors({
    open: () => Deno.openSync(path),
    onShort: ({ free, connections }) => {
      log.warn("descriptors_short", { free, backend_connections: connections, message: WHAT_TO_DO });
      shed();
    },
    onRestored: ({ afterMs, refused }) => log.info("descriptors_restored", { after_ms: Math.round(afterMs), refused }),
  });
}
