/**
 * What an exchange carries of its trace.
 *
 * An exchange without one (tracing is off, or the client's trace is not sampled) passes `traceparent` and `tracestate`
 * on as they came. With one, both are made anew for each attempt.
 */

import type { EmitField } from "../base/emit_field.ts";
import type { FieldEdits } from "../fields/edits.ts";
import { formatTraceparent, TraceFlag } from "../observe/trace_context.ts";
import type { ProxyRequest } from "./message/request.ts";

/** Decides at the beginning of each exchange; replaced by one assignment when the configuration changes. */
export interface Tracer {
  /** @returns Null: the fields pass as they came, and there are no spans. */
  begin(request: ProxyRequest): ExchangeTrace | null;
}

export const NO_TRACER: Tracer = { begin: () => null };

export interface TraceIdentity {
  /** 32 digits. */
  readonly traceId: string;
  /** 16 digits: the exchange's own span. */
  readonly spanId: string;
  /** The client's span; "" for a trace that begins here. */
  readonly parentId: string;
  /** `TraceFlag`. */
  readonly flags: number;
  /** As it goes on; "" for none. */
  readonly tracestate: string;
  /** Epoch minus monotonic clock, ms: one for all spans of the exchange, so that they fit together. */
  readonly epochOffsetMs: number;
}

export interface RetryNote {
  readonly reason: string;
  /** A monotonic time. */
  readonly atMs: number;
}

/** The retries of the many traces that are not sampled. */
const NO_RETRIES: RetryNote[] = [];

export class ExchangeTrace {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly flags: number;
  readonly tracestate: string;
  readonly epochOffsetMs: number;
  readonly isSampled: boolean;
  /** Why attempts were repeated. Only of a sampled trace. */
  readonly retries: RetryNote[];
  /** The span of the attempt under way, as its backend sees it; the exchange's own when not sampled. */
  attemptSpanId: string;
  /** Target of the attempt under way, rewritten where the route says so. */
  target: string;

  constructor(identity: TraceIdentity) {
    this.traceId = identity.traceId;
    this.spanId = identity.spanId;
    this.parentId = identity.parentId;
    this.flags = identity.flags;
    this.tracestate = identity.tracestate;
    this.epochOffsetMs = identity.epochOffsetMs;
    this.isSampled = (identity.flags & TraceFlag.sampled) !== 0;
    this.retries = this.isSampled ? [] : NO_RETRIES;
    this.attemptSpanId = identity.spanId;
    this.target = "";
  }

  /** What the backend gets; nothing that the route removes. */
  eachField(emit: EmitField, edits: FieldEdits): void {
    if (!edits.removes("traceparent")) {
      emit("traceparent", formatTraceparent(this.traceId, this.attemptSpanId, this.flags));
    }
    if (this.tracestate !== "" && !edits.removes("tracestate")) emit("tracestate", this.tracestate);
  }
}
