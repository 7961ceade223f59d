/** What tells listeners apart over a reload. */

import { formatAddress } from "../base/address.ts";
import type { ListenerConfig } from "../config/types.ts";

/** Where a listener is: its address, and its name too when the system chooses the port. */
export function listenerIdentity({ address, name }: ListenerConfig): string {
  const text = formatAddress(address);
  return address.kind === "tcp" && address.port === 0 ? `${text} ${name}` : text;
}
