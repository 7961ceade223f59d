/**
 * Tracing as the configuration wants it: the tracer that exchanges ask, and the exporter that their spans go to.
 *
 * Configuring it has two steps, so that a reload is all or nothing: `prepare` loads and makes what is new and can fail,
 * the change that it returns can't. Spans of exchanges that began before a change go where the new configuration says.
 * One for each thread.
 */

import type { Clock } from "../../base/clock.ts";
import type { ErrorCode } from "../../base/errors.ts";
import {
  TRACE_ATTRIBUTE_LENGTH_MAX,
  TRACE_BACKOFF_MS,
  TRACE_BACKOFF_MS_MAX,
  TRACE_BATCH_MAX,
  TRACE_CLOSE_MS_MAX,
  TRACE_EXPORT_MS_MAX,
  TRACE_FLUSH_MS,
  TRACE_SPANS_WAITING_MAX,
} from "../../config/bounds.ts";
import type { TracingConfig } from "../../config/types.ts";
import type { ExchangeRecord } from "../../proxy/exchange_record.ts";
import { NO_TRACER, type Tracer } from "../../proxy/trace.ts";
import type { EventLog } from "../logs/event_log.ts";
import type { Otel, ReadableSpan } from "./otel.ts";
import { RatioTracer } from "./ratio_tracer.ts";
import { SpanQueue, type SpanQueueBounds } from "./span_queue.ts";
import { clientSpan, type FinishedSpan, serverSpan } from "./spans.ts";
import { TraceIds } from "./trace_ids.ts";

const QUEUE_BOUNDS: SpanQueueBounds = {
  waitingMax: TRACE_SPANS_WAITING_MAX,
  batchMax: TRACE_BATCH_MAX,
  flushMs: TRACE_FLUSH_MS,
  // The exporter gives up first, and says why.
  sendMsMax: TRACE_EXPORT_MS_MAX + 1000,
  backoffMs: TRACE_BACKOFF_MS,
  backoffMsMax: TRACE_BACKOFF_MS_MAX,
};

export interface TracingChange {
  commit(): void;
}

interface Export {
  readonly endpoint: string;
  readonly service: string;
  readonly otel: Otel;
  readonly queue: SpanQueue<ReadableSpan>;
}

export class Tracing {
  readonly #clock: Clock;
  readonly #log: EventLog;
  readonly #ids = new TraceIds();
  readonly #counts = { exported: 0, dropped: 0 };
  readonly #closing: Set<Promise<void>> = new Set();
  #tracer: Tracer = NO_TRACER;
  #export: Export | null = null;

  constructor({ clock, log }: { clock: Clock; log: EventLog }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** What exchanges ask from now on. */
  get tracer(): Tracer {
    return this.#tracer;
  }

  /** Spans that were lost: no room in the queue, or a collector that did not take them. */
  get spansDropped(): number {
    return this.#counts.dropped;
  }

  /** Loads the SDK the first time. Nothing has changed until `commit()`, and nothing has to be undone. */
  async prepare(config: TracingConfig | null): Promise<TracingChange> {
    const current = this.#export;
    const isKept = current?.endpoint === config?.endpoint && current?.service === config?.service;
    const next = isKept || config === null ? null : await this.#open(config);
    return {
      commit: () => {
        this.#tracer = config === null
          ? NO_TRACER
          : new RatioTracer(config.sample, { ids: this.#ids, clock: this.#clock });
        if (isKept) return;
        this.#export = next;
        if (current !== null) this.#close(current);
      },
    };
  }

  attemptBegan({ trace }: ExchangeRecord): void {
    if (trace !== null && trace.isSampled) trace.attemptSpanId = this.#ids.spanId();
  }

  attemptEnded(exchange: ExchangeRecord, code: ErrorCode | ""): void {
    const { trace } = exchange;
    if (trace === null || !trace.isSampled || this.#refuses()) return;
    this.#keep(clientSpan(exchange, trace, code));
  }

  /** @param code "": for its status. */
  retried({ trace, status, endedAtMs }: ExchangeRecord, code: ErrorCode | ""): void {
    if (trace === null || !trace.isSampled) return;
    trace.retries.push({ reason: code === "" ? `status_${status}` : code, atMs: endedAtMs });
  }

  record(exchange: ExchangeRecord): void {
    const { trace } = exchange;
    if (trace === null || !trace.isSampled || this.#refuses()) return;
    this.#keep(serverSpan(exchange, trace));
  }

  /** Sends what waits. Resolves when that is done, or when it takes too long. */
  async close(): Promise<void> {
    this.#tracer = NO_TRACER;
    if (this.#export !== null) this.#close(this.#export);
    this.#export = null;
    await Promise.all(this.#closing);
  }

  /** Before a span is made: one that nobody will take costs no more than this. */
  #refuses(): boolean {
    return this.#export === null || this.#export.queue.refuses();
  }

  #keep(span: FinishedSpan): void {
    const { otel, queue } = this.#export!;
    queue.push(otel.span(span));
  }

  async #open({ endpoint, service }: TracingConfig): Promise<Export> {
    const { Otel } = await import("./otel.ts");
    const otel = new Otel({
      endpoint,
      service,
      timeoutMs: TRACE_EXPORT_MS_MAX,
      attributeLengthMax: TRACE_ATTRIBUTE_LENGTH_MAX,
    });
    const queue = new SpanQueue<ReadableSpan>({
      send: (batch) => otel.send(batch),
      abandon: () => otel.abandon(),
      counts: this.#counts,
      onFailing: (error) => this.#log.warn("tracing_export_failed", { endpoint, message: error.message }),
      onRestored: (dropped) => this.#log.info("tracing_export_restored", { endpoint, dropped_spans: dropped }),
    }, QUEUE_BOUNDS);
    return { endpoint, service, otel, queue };
  }

  #close(old: Export): void {
    const closing: Promise<void> = this.#flush(old).finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  async #flush({ endpoint, queue }: Export): Promise<void> {
    await queue.close(TRACE_CLOSE_MS_MAX);
    const { exported, dropped } = this.#counts;
    this.#log.info("tracing_closed", { endpoint, exported_spans: exported, dropped_spans: dropped });
  }
}
