/**
 * Everybody who hears of exchanges, behind one `Recorder`. Fixed at the start, so that each call site sees one class.
 */

import type { ErrorCode } from "../../base/errors.ts";
import type { Clock } from "../../base/clock.ts";
import type { Recorder } from "../../proxy/core.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import type { AccessLog } from "../logs/access_log.ts";
import type { ErrorTally } from "./error_tally.ts";
import type { MetricsRecorder } from "./metrics_recorder.ts";
import type { Tracing } from "./tracing.ts";

export class Recorders implements Recorder {
  readonly #clock: Clock;
  readonly #metrics: MetricsRecorder;
  readonly #errors: ErrorTally;
  readonly #accessLog: AccessLog;
  readonly #tracing: Tracing;

  constructor(
    parts: { clock: Clock; metrics: MetricsRecorder; errors: ErrorTally; accessLog: AccessLog; tracing: Tracing },
  ) {
    this.#clock = parts.clock;
    this.#metrics = parts.metrics;
    this.#errors = parts.errors;
    this.#accessLog = parts.accessLog;
    this.#tracing = parts.tracing;
  }

  attemptBegan(exchange: Exchange): void {
    this.#metrics.attemptBegan(exchange);
    this.#tracing.attemptBegan(exchange);
  }

  attemptEnded(exchange: Exchange, code: ErrorCode | ""): void {
    exchange.endedAtMs = this.#clock.nowMs();
    this.#metrics.attemptEnded(exchange, code);
    this.#tracing.attemptEnded(exchange, code);
  }

  retried(exchange: Exchange, code: ErrorCode | ""): void {
    this.#metrics.retried(exchange, code);
    this.#tracing.retried(exchange, code);
  }

  record(exchange: Exchange): void {
    // The end of the last attempt, a moment ago, is the end of the exchange, unless there was a wait after it.
    if (exchange.attempts === 0 || exchange.errorCode !== "") exchange.endedAtMs = this.#clock.nowMs();
    this.#metrics.record(exchange);
    if (exchange.errorCode !== "") this.#errors.record(exchange);
    this.#accessLog.record(exchange);
    this.#tracing.record(exchange);
  }
}
