/**
 * What tracing costs an exchange: off, not sampled, sampled. Run: `deno bench -A bench/micro/tracing_bench.ts`.
 *
 * "An exchange" is what tracing adds to it: the decision, the fields for its one attempt, and its two spans up to the
 * queue. The export of a batch is apart: it happens once for TRACE_BATCH_MAX spans.
 */

import { ByteWriter } from "../../lib/base/byte_writer.ts";
import { SYSTEM_CLOCK } from "../../lib/base/clock.ts";
import { TRACE_BATCH_MAX } from "../../lib/config/bounds.ts";
import { NO_EDITS } from "../../lib/fields/edits.ts";
import type { Exchange } from "../../lib/proxy/exchange.ts";
import type { ProxyRequest } from "../../lib/proxy/message/request.ts";
import { NO_TRACER, type Tracer } from "../../lib/proxy/trace.ts";
import { Otel, type ReadableSpan } from "../../lib/runtime/telemetry/otel.ts";
import { RatioTracer } from "../../lib/runtime/telemetry/ratio_tracer.ts";
import { clientSpan, serverSpan } from "../../lib/runtime/telemetry/spans.ts";
import { TraceIds } from "../../lib/runtime/telemetry/trace_ids.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

function requestWith(fields: Readonly<Record<string, string>>): ProxyRequest {
  const all = new Map(Object.entries({ "user-agent": "bench/1", ...fields }));
  return {
    method: "GET",
    authority: "shop.example.com",
    isSecure: true,
    protocol: "HTTP/1.1",
    peerIp: "203.0.113.7",
    field: (name: string) => all.get(name) ?? null,
  } as unknown as ProxyRequest;
}

const PLAIN = requestWith({});
const UNSAMPLED = requestWith({ traceparent: `00-${TRACE}-${SPAN}-00`, tracestate: "a=1" });
const SAMPLED = requestWith({ traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: "a=1" });

const address = { kind: "tcp", tls: false, hostname: "10.0.0.1", port: 8080 };
/** What an exchange leaves behind, as far as spans look at it. */
const REST = {
  route: { name: "api", pattern: "/v1/*" },
  upstream: { name: "api", config: { backends: [{ address }] } },
  backend: { name: "b1", index: 0 },
  path: "/v1/items/12345",
  clientIp: "203.0.113.7",
  requestId: "k3v9x0q2m7ab-1f",
  status: 200,
  errorCode: "",
  local: null,
  startedMs: 1000,
  attemptAtMs: 1000.1,
  sentAtMs: 1000.2,
  headAtMs: 1002.5,
  endedAtMs: 1003,
};

const ids = new TraceIds();
const out = new ByteWriter();
const collector = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
  await request.body?.cancel();
  return Response.json({});
});
collector.unref();
const otel = new Otel({
  endpoint: `http://127.0.0.1:${collector.addr.port}/v1/traces`,
  service: "bench",
  timeoutMs: 1000,
  attributeLengthMax: 2048,
});
let last: ReadableSpan | null = null;

function exchangeOf(tracer: Tracer, request: ProxyRequest): void {
  const trace = tracer.begin(request);
  if (trace === null) return;
  if (trace.isSampled) trace.attemptSpanId = ids.spanId();
  out.reset();
  trace.target = "/v1/items/12345?page=7";
  trace.eachField((name, value) => out.field(name, value), NO_EDITS);
  if (!trace.isSampled) return;
  const exchange = { ...REST, request } as unknown as Exchange;
  last = otel.span(clientSpan(exchange, trace, ""));
  last = otel.span(serverSpan(exchange, trace));
}

const never = new RatioTracer(0, { ids, clock: SYSTEM_CLOCK });
const always = new RatioTracer(1, { ids, clock: SYSTEM_CLOCK });

Deno.bench("off", { group: "an exchange", baseline: true }, () => exchangeOf(NO_TRACER, PLAIN));
Deno.bench("not sampled by its client", { group: "an exchange" }, () => exchangeOf(never, UNSAMPLED));
Deno.bench("not sampled here", { group: "an exchange" }, () => exchangeOf(never, PLAIN));
Deno.bench("sampled here", { group: "an exchange" }, () => exchangeOf(always, PLAIN));
Deno.bench("sampled by its client", { group: "an exchange" }, () => exchangeOf(always, SAMPLED));

exchangeOf(always, PLAIN);
const BATCH: readonly ReadableSpan[] = Array.from({ length: TRACE_BATCH_MAX }, () => last!);
Deno.bench(`a batch of ${TRACE_BATCH_MAX}, to a collector in this process`, { group: "export" }, async () => {
  await otel.send(BATCH);
});
