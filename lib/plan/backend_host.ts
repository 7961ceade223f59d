/** A backend's own name, as a `Host` field says it (RFC 9110 §7.2). */

import type { BackendAddress } from "../config/types.ts";

export function hostOf(address: BackendAddress): string {
  if (address.kind === "unix") return "localhost"; // a socket file has no name of its own that a Host could hold
  const name = address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname;
  return address.port === (address.tls ? 443 : 80) ? name : `${name}:${address.port}`;
}
