/**
 * Everybody who hears of exchanges, behind one `Recorder`. Fixed at the start, so that each call site sees one class.
 */

import type { ErrorCode } from "../base/errors.ts";
import type { Recorder } from "../proxy/core.ts";
import type { Exchange } from "../proxy/exchange.ts";
import type { AccessLog } from "./access_log.ts";

export class Recorders implements Recorder {
  readonly #accessLog: AccessLog;

  constructor(parts: { accessLog: AccessLog }) {
    this.#accessLog = parts.accessLog;
  }

  attemptBegan(_exchange: Exchange): void {}

  attemptEnded(_exchange: Exchange, _code: ErrorCode | ""): void {}

  retried(_exchange: Exchange, _reason: string): void {}

  record(exchange: Exchange): void {
    this.#accessLog.record(exchange);
  }
}
