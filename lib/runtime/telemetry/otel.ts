/**
 * The one place that touches OpenTelemetry's SDK. Loaded only when a configuration has `[tracing]`: it takes a tenth of a
 * second and some megabytes.
 *
 * Sampling, ids and times are decided before a span comes here, so the SDK is given all of them. Nothing is registered
 * globally. Its exporter reads `OTEL_*` variables at construction, and must be allowed to.
 */

import {
  type Context,
  createTraceState,
  type HrTime,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  type ReadableSpan,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { FinishedSpan } from "./spans.ts";

export type { ReadableSpan } from "@opentelemetry/sdk-trace-base";

export interface OtelOptions {
  /** http or https URL. */
  readonly endpoint: string;
  readonly service: string;
  readonly timeoutMs: number;
  /** Characters of an attribute; what is longer is cut. */
  readonly attributeLengthMax: number;
}

/** Not taken by the collector, or not known to be. */
export class ExportError extends Error {
  override readonly name = "ExportError";
}

const EXPORT_SUCCESS = 0;

export class Otel {
  readonly #exporter: OTLPTraceExporter;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #tracer: Tracer;
  /** The ids of the span that is being made. */
  #traceId = "";
  #spanId = "";
  #made: ReadableSpan | null = null;

  constructor({ endpoint, service, timeoutMs, attributeLengthMax }: OtelOptions) {
    const agent = endpoint.startsWith("https:") ? new HttpsAgent(AGENT_OPTIONS) : new HttpAgent(AGENT_OPTIONS);
    this.#agent = agent;
    this.#exporter = new OTLPTraceExporter({
      url: endpoint,
      timeoutMillis: timeoutMs,
      concurrencyLimit: 2,
      httpAgentOptions: () => agent,
    });
    const provider = new BasicTracerProvider({
      resource: resourceFromAttributes({ "service.name": service, "service.instance.id": crypto.randomUUID() }),
      sampler: new AlwaysOnSampler(),
      idGenerator: { generateTraceId: () => this.#traceId, generateSpanId: () => this.#spanId },
      spanLimits: { attributeValueLengthLimit: attributeLengthMax },
      spanProcessors: [this.#processor()],
    });
    this.#tracer = provider.getTracer("sluice");
  }

  span(finished: FinishedSpan): ReadableSpan {
    this.#traceId = finished.traceId;
    this.#spanId = finished.spanId;
    const span = this.#tracer.startSpan(finished.name, {
      kind: finished.kind === "server" ? SpanKind.SERVER : SpanKind.CLIENT,
      startTime: hrTime(finished.startMs),
      attributes: finished.attributes,
    }, parentOf(finished));
    for (const { name, attributes, atMs } of finished.events) span.addEvent(name, attributes, hrTime(atMs));
    if (finished.isError) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(hrTime(finished.endMs));
    return this.#made!;
  }

  /** @throws {ExportError} */
  send(batch: readonly ReadableSpan[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#exporter.export([...batch], ({ code, error }) => {
        if (code === EXPORT_SUCCESS) resolve();
        else reject(new ExportError(error?.message ?? "refused", { cause: error }));
      });
    });
  }

  /** Closes every connection to the collector; an export that is under way fails. */
  abandon(): void {
    this.#agent.destroy();
  }

  #processor(): SpanProcessor {
    return {
      onStart: () => {},
      onEnd: (span) => this.#made = span,
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    };
  }
}

const AGENT_OPTIONS = { keepAlive: true, maxSockets: 2 };

function parentOf({ kind, traceId, parentId, flags, tracestate }: FinishedSpan): Context {
  if (parentId === "") return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId: parentId,
    traceFlags: flags,
    isRemote: kind === "server",
    ...(tracestate === "" ? {} : { traceState: createTraceState(tracestate) }),
  });
}

/** Seconds and nanoseconds: a bare number could be taken for a monotonic time. */
function hrTime(epochMs: number): HrTime {
  const seconds = Math.floor(epochMs / 1000);
  return [seconds, Math.round((epochMs - seconds * 1000) * 1e6)];
}
