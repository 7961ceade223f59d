/**
 * What all exchanges of a process share.
 */

import type { Clock } from "../base/clock.ts";
import { ProxyError } from "../base/errors.ts";
import { type Listed, LiveList } from "../base/live_list.ts";
import { type RequestIds, saneRequestId } from "../observe/request_id.ts";
import type { PlanHolder } from "../plan/holder.ts";
import type { Members, Plan } from "../plan/types.ts";
import type { Deadlines } from "../transport/deadlines.ts";
import { existingForwarded } from "./forward/client_identity.ts";
import type { Recorder } from "./exchange_record.ts";
import type { ProxyRequest } from "./message/request.ts";
import { NO_TRACER, type Tracer } from "./trace.ts";

/** An exchange, as far as who shares it needs to know. */
export interface UnderWay extends Listed {
  /** Of its upstream, as it read them; null when it has none. */
  readonly members: Members | null;
  /** Ends it from outside. */
  cancel(error: ProxyError): void;
}

export interface ProxyCoreParts {
  readonly clock: Clock;
  readonly plans: PlanHolder;
  readonly deadlines: Deadlines;
  readonly recorder: Recorder;
  readonly requestIds: RequestIds;
  readonly random: () => number;
}

export class ProxyCore {
  readonly clock: Clock;
  readonly plans: PlanHolder;
  readonly deadlines: Deadlines;
  readonly recorder: Recorder;
  readonly random: () => number;
  tracer: Tracer = NO_TRACER;
  /** All that are under way. */
  readonly exchanges: LiveList<UnderWay> = new LiveList();
  readonly requestIds: RequestIds;

  constructor(parts: ProxyCoreParts) {
    this.clock = parts.clock;
    this.plans = parts.plans;
    this.deadlines = parts.deadlines;
    this.recorder = parts.recorder;
    this.random = parts.random;
    this.requestIds = parts.requestIds;
  }

  /** The client's own id; "" when there is none, or one that could do harm. */
  givenRequestId(request: ProxyRequest): string {
    const given = request.field("x-request-id");
    return given !== null && saneRequestId(given) ? given : "";
  }

  clientBehind(request: ProxyRequest, plan: Plan): string {
    return plan.forwarded.client(request.peerIp, existingForwarded(request), plan.trusted);
  }

  /** Ends all that is under way; for a shutdown whose patience is over. */
  cancelAll(): void {
    for (const exchange of this.exchanges.snapshot()) exchange.cancel(new ProxyError("shutting_down"));
  }
}
