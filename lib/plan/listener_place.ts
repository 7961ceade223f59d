/** What tells listeners apart over a reload. */

import type { ListenerConfig } from "../config/types.ts";

/** Where a listener is: its address, and its name too when the system chooses the port. */
export function listenerPlace({ address, addressText, name }: ListenerConfig): string {
  return address.kind === "tcp" && address.port === 0 ? `${addressText} ${name}` : addressText;
}
