/** What a request says about who is behind its connection. Believed only from a trusted proxy. */

import type { ExistingForwarded } from "../../fields/forwarded.ts";
import type { ProxyRequest } from "../message/request.ts";

export const NOTHING_FORWARDED: ExistingForwarded = {
  xForwardedFor: null,
  xForwardedProto: null,
  xForwardedHost: null,
  forwarded: null,
};

export function existingForwarded(request: ProxyRequest): ExistingForwarded {
  return {
    xForwardedFor: request.field("x-forwarded-for"),
    xForwardedProto: request.field("x-forwarded-proto"),
    xForwardedHost: request.field("x-forwarded-host"),
    forwarded: request.field("forwarded"),
  };
}
