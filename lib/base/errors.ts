/**
 * Everything that can go wrong with an exchange, as one table of facts.
 *
 * A throw site names a code and nothing else; what follows from it (retry, circuit, status for the client, log level)
 * is decided elsewhere from the traits below. The code is the metric label, the log field and the tests' oracle, so
 * a code is never renamed lightly and never built at run time.
 */

/** Who is at fault. */
export type ErrorSource = "downstream" | "upstream" | "proxy";

/**
 * How much of the request the backend may have seen: `none` (nothing was sent, any method may be tried again),
 * `maybe` (bytes were sent and no response came), `answered` (a response head came).
 */
export type Delivered = "none" | "maybe" | "answered";

export interface ErrorTraits {
  readonly source: ErrorSource;
  readonly delivered: Delivered;
  /** Status for the client; 0 when there is nobody to answer or the head is already out. */
  readonly status: number;
  /** RFC 9209 §2.3 `Proxy-Status` error type; "" when none fits. */
  readonly proxyStatus: string;
  /** Whether a client may be told to come back soon (`Retry-After`). */
  readonly retryAfter: boolean;
}

function traits(
  source: ErrorSource,
  delivered: Delivered,
  status: number,
  proxyStatus: string,
  retryAfter = false,
): ErrorTraits {
  return { source, delivered, status, proxyStatus, retryAfter };
}

export const ERROR_TRAITS = {
  // What the client did.
  request_invalid: traits("downstream", "none", 400, "http_request_error"),
  field_name_refused: traits("downstream", "none", 400, "http_request_error"),
  host_invalid: traits("downstream", "none", 400, "http_request_error"),
  request_framing_invalid: traits("downstream", "none", 400, "http_request_error"),
  request_head_too_large: traits("downstream", "none", 431, "http_request_error"),
  request_body_too_large: traits("downstream", "maybe", 413, "http_request_error"),
  target_too_long: traits("downstream", "none", 414, "http_request_error"),
  request_timeout: traits("downstream", "maybe", 408, ""),
  client_too_slow: traits("downstream", "maybe", 408, ""),
  request_unsupported: traits("downstream", "none", 501, "http_request_error"),
  request_body_broken: traits("downstream", "maybe", 400, "http_request_error"),
  client_gone: traits("downstream", "maybe", 0, ""),
  // What sluice decided.
  route_not_found: traits("proxy", "none", 404, "proxy_internal_response"),
  method_not_allowed: traits("proxy", "none", 405, "proxy_internal_response"),
  backend_unavailable: traits("proxy", "none", 503, "destination_unavailable", true),
  queue_full: traits("proxy", "none", 503, "connection_limit_reached", true),
  queue_timeout: traits("proxy", "none", 503, "connection_limit_reached", true),
  tunnels_full: traits("proxy", "none", 503, "connection_limit_reached", true),
  shutting_down: traits("proxy", "none", 503, "", true),
  descriptors_exhausted: traits("proxy", "none", 503, "connection_limit_reached", true),
  connection_reclaimed: traits("proxy", "maybe", 503, "connection_limit_reached", true),
  total_timeout: traits("proxy", "maybe", 504, "http_response_timeout"),
  tunnel_timeout: traits("proxy", "answered", 0, ""),
  tunnel_overflow: traits("proxy", "answered", 0, ""),
  internal_error: traits("proxy", "maybe", 500, "proxy_internal_error"),
  // Getting a connection to a backend.
  connect_refused: traits("upstream", "none", 502, "connection_refused"),
  connect_unreachable: traits("upstream", "none", 502, "destination_ip_unroutable"),
  connect_failed: traits("upstream", "none", 502, "connection_terminated"),
  connect_timeout: traits("upstream", "none", 504, "connection_timeout"),
  dns_failed: traits("upstream", "none", 502, "dns_error"),
  tls_certificate_invalid: traits("upstream", "none", 502, "tls_certificate_error"),
  tls_failed: traits("upstream", "none", 502, "tls_protocol_error"),
  // Between the first byte sent and the response head.
  connection_reset: traits("upstream", "maybe", 502, "connection_terminated"),
  response_timeout: traits("upstream", "maybe", 504, "http_response_timeout"),
  // The response itself.
  response_invalid: traits("upstream", "answered", 502, "http_protocol_error"),
  response_framing_invalid: traits("upstream", "answered", 502, "http_protocol_error"),
  response_head_too_large: traits("upstream", "answered", 502, "http_response_header_section_size"),
  upgrade_failed: traits("upstream", "answered", 502, "http_upgrade_failed"),
  response_incomplete: traits("upstream", "answered", 502, "http_response_incomplete"),
  response_idle_timeout: traits("upstream", "answered", 504, "http_response_timeout"),
} as const satisfies Record<string, ErrorTraits>;

export type ErrorCode = keyof typeof ERROR_TRAITS;

/**
 * An exchange failed. Carries a code and, where there is one, the foreign error as `cause`. Records no stack: it is
 * made on paths that an attacker or a dying backend can take thousands of times a second, and the code says where.
 */
export class ProxyError extends Error {
  override readonly name = "ProxyError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, detail = "", cause: unknown = undefined) {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(detail === "" ? code : detail, cause === undefined ? undefined : { cause });
    Error.stackTraceLimit = limit;
    this.code = code;
  }

  get traits(): ErrorTraits {
    return ERROR_TRAITS[this.code];
  }
}

/** A bug of ours, not of the traffic. */
export function invariant(condition: unknown, claim: string): asserts condition {
  if (!condition) throw new Error(`Broken invariant: ${claim}`);
}

export function toProxyError(error: unknown): ProxyError {
  return error instanceof ProxyError ? error : new ProxyError("internal_error", String(error), error);
}
