/**
 * What all exchanges of a process share.
 */

import type { Clock } from "../base/clock.ts";
import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { LiveList } from "../base/live_list.ts";
import { type RequestIds, saneRequestId } from "../observe/request_id.ts";
import type { PlanHolder } from "../plan/holder.ts";
import type { Plan } from "../plan/types.ts";
import type { Deadlines } from "../transport/deadlines.ts";
import { existingForwarded } from "./forward/client_identity.ts";
import type { Exchange } from "./exchange.ts";
import type { ProxyRequest } from "./message/request.ts";
import { NO_TRACER, type Tracer } from "./trace.ts";

/** Told of what exchanges do, as it happens. Reads the exchange, keeps nothing of it, must not throw. */
export interface Recorder {
  /** A backend was chosen: `exchange.backend`. No connection yet. */
  attemptBegan(exchange: Exchange): void;
  /** @param code Why it failed; "" when the response came to its end, or was given up for its status. */
  attemptEnded(exchange: Exchange, code: ErrorCode | ""): void;
  /** Another attempt follows. @param code "" when `exchange.status` was the reason. */
  retried(exchange: Exchange, code: ErrorCode | ""): void;
  /** The exchange has ended. Once each. */
  record(exchange: Exchange): void;
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
  readonly exchanges: LiveList<Exchange> = new LiveList();
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
