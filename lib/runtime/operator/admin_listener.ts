/** Opens the admin listener. The app behind it is loaded only here: who has no `[admin]` does not pay for it. */

import type { AdminListener } from "../../admin/listener.ts";
import type { Operator } from "../../admin/operator.ts";
import { formatAddress } from "../../base/address.ts";
import type { AdminConfig } from "../../config/types.ts";
import { ListenError, reasonOf, removeDeadSocket } from "../serving/listener_set.ts";
import type { EventLog } from "../logs/event_log.ts";

/** @throws {ListenError} */
export async function openAdmin(config: AdminConfig, operator: Operator, log: EventLog): Promise<AdminListener> {
  const { address } = config;
  if (address.kind === "unix") await removeDeadSocket(address.path);
  const { openAdminListener } = await import("../../admin/listener.ts");
  const onBug = (error: unknown) =>
    log.error("internal_error", { message: String(error), stack: (error as Error | null)?.stack });
  try {
    const listener = await openAdminListener(config, operator, {
      onBug,
      onFailed: (error) => log.error("listener_failed", { listener: "admin", message: (error as Error)?.message }),
      onRestored: ({ afterMs, failures }) =>
        log.info("listener_restored", { listener: "admin", after_ms: Math.round(afterMs), failures }),
    });
    log.info("listening", { listener: "admin", address: listener.address });
    return listener;
  } catch (error) {
    throw new ListenError(`Cannot listen on ${formatAddress(address)} (admin): ${reasonOf(error)}`, {
      cause: error,
    });
  }
}
