/**
 * Decides which exchanges are traced: as the client's `traceparent` says, or by ratio where there is none.
 *
 * A trace that begins here and is not sampled is still announced to the backend, with the flag at 0: everybody behind
 * then leaves it out, too, and `sample` is the share of whole traces. A client's trace that is not sampled passes as it
 * came, which costs no id and says the same. Any client can ask to be sampled; what that can cost is bounded by the
 * queue of spans.
 */

import type { Clock } from "../../base/clock.ts";
import {
  isWithinRatio,
  parseTraceparent,
  propagatedTracestate,
  ratioThreshold,
  TraceFlag,
} from "../../observe/trace_context.ts";
import type { ProxyRequest } from "../../proxy/message/request.ts";
import { ExchangeTrace, type Tracer } from "../../proxy/trace.ts";
import type { TraceIds } from "./trace_ids.ts";

export class RatioTracer implements Tracer {
  readonly #threshold: number;
  readonly #ids: TraceIds;
  readonly #clock: Clock;

  /** @param sample 0 to 1. */
  constructor(sample: number, { ids, clock }: { ids: TraceIds; clock: Clock }) {
    this.#threshold = ratioThreshold(sample);
    this.#ids = ids;
    this.#clock = clock;
  }

  begin(request: ProxyRequest): ExchangeTrace | null {
    const given = request.field("traceparent");
    const parent = given === null ? null : parseTraceparent(given);
    if (parent === null) return this.#root();
    if ((parent.flags & TraceFlag.sampled) === 0) return null;
    return new ExchangeTrace({
      traceId: parent.traceId,
      spanId: this.#ids.spanId(),
      parentId: parent.parentId,
      flags: parent.flags,
      tracestate: propagatedTracestate(request.field("tracestate")),
      epochOffsetMs: this.#epochOffsetMs(),
    });
  }

  /** Without a valid parent there is no `tracestate` either. */
  #root(): ExchangeTrace {
    const traceId = this.#ids.traceId();
    const isSampled = isWithinRatio(traceId, this.#threshold);
    return new ExchangeTrace({
      traceId,
      spanId: this.#ids.spanId(),
      parentId: "",
      flags: isSampled ? TraceFlag.sampled : 0,
      tracestate: "",
      epochOffsetMs: isSampled ? this.#epochOffsetMs() : 0,
    });
  }

  #epochOffsetMs(): number {
    return this.#clock.epochMs() - this.#clock.nowMs();
  }
}
