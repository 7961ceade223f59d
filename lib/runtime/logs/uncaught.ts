/**
 * A promise that nobody waited for must not end a thread that serves others: it is a bug, it is logged, it goes on.
 */

import type { EventLog } from "./event_log.ts";

export function logUncaught(log: EventLog): void {
  const report = (kind: string, error: unknown) =>
    log.error("internal_error", { kind, message: String(error), stack: (error as Error | null)?.stack });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report("unhandled_rejection", event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    report("uncaught_exception", event.error);
  });
}
