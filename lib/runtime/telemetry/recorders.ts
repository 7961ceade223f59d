/**
 * Everybody who hears of exchanges, behind one `Recorder`. Fixed at the start, so that each call site sees one class.
 */

import type { ErrorCode } from "../../base/errors.ts";
import type { ExchangeRecord, Recorder } from "../../proxy/exchange_record.ts";
import type { AccessLog } from "../logs/access_log.ts";
import type { ErrorTally } from "./error_tally.ts";
import type { MetricsRecorder } from "./metrics_recorder.ts";
import type { Tracing } from "./tracing.ts";

export class Recorders implements Recorder {
  readonly #metrics: MetricsRecorder;
  readonly #errors: ErrorTally;
  readonly #accessLog: AccessLog;
  readonly #tracing: Tracing;

  constructor(
    parts: { metrics: MetricsRecorder; errors: ErrorTally; accessLog: AccessLog; tracing: Tracing },
  ) {
    this.#metrics = parts.metrics;
    this.#errors = parts.errors;
    this.#accessLog = parts.accessLog;
    this.#tracing = parts.tracing;
  }

  attemptBegan(exchange: ExchangeRecord): void {
    this.#metrics.attemptBegan(exchange);
    this.#tracing.attemptBegan(exchange);
  }

  attemptEnded(exchange: ExchangeRecord, code: ErrorCode | ""): void {
    this.#metrics.attemptEnded(exchange, code);
    this.#tracing.attemptEnded(exchange, code);
  }

  retried(exchange: ExchangeRecord, code: ErrorCode | ""): void {
    this.#metrics.retried(exchange, code);
    this.#tracing.retried(exchange, code);
  }

  record(exchange: ExchangeRecord): void {
    this.#metrics.record(exchange);
    if (exchange.errorCode !== "") this.#errors.record(exchange);
    this.#accessLog.record(exchange);
    this.#tracing.record(exchange);
  }
}
