/**
 * Counts what exchanges and attempts did into this thread's block of numbers: plain stores at offsets that the plan
 * brings, nothing allocated and nothing looked up by name. An exchange with one attempt costs about 0.04 µs, and one
 * reading of the clock 0.08 µs (bench/micro/metrics_bench.ts).
 */

import { ERROR_TRAITS, type ErrorCode } from "../../base/errors.ts";
import { cellOf, observeDuration } from "../../observe/metrics/histogram.ts";
import {
  BACKEND,
  backendAt,
  CODE_INDEX,
  GLOBAL,
  IS_FAILURE,
  NO_ROUTE_ROW,
  RESULT_BAD_STATUS,
  RESULT_OF_CODE,
  RESULT_OK,
  RETRY_OF_STATUS,
  ROUTE,
  routeAt,
  statusClassOf,
  UPSTREAM,
  upstreamAt,
} from "../../observe/metrics/layout.ts";
import type { MetricsBlock } from "../../observe/metrics/store.ts";
import type { ExchangeRecord } from "../../proxy/exchange_record.ts";

export class MetricsRecorder {
  readonly #block: MetricsBlock;

  constructor(block: MetricsBlock) {
    this.#block = block;
  }

  attemptBegan(exchange: ExchangeRecord): void {
    this.#block[backendAt(exchange.backend!.metricsRow) + BACKEND.inFlight]++;
  }

  attemptEnded(exchange: ExchangeRecord, code: ErrorCode | ""): void {
    const block = this.#block;
    const at = backendAt(exchange.backend!.metricsRow);
    const { attemptAtMs, sentAtMs, headAtMs, endedAtMs } = exchange;
    block[at + BACKEND.inFlight]--;
    block[at + BACKEND.attempts + resultOf(exchange, code)]++;
    observeDuration(block, at + BACKEND.attempt, endedAtMs - attemptAtMs);
    // Also the wait for a connection that did not come.
    observeDuration(block, at + BACKEND.queue, (sentAtMs < 0 ? endedAtMs : sentAtMs) - attemptAtMs);
    if (headAtMs < 0) return;
    observeDuration(block, at + BACKEND.firstByte, headAtMs - sentAtMs);
    block[at + BACKEND.responses + statusClassOf(exchange.status)]++;
  }

  retried(exchange: ExchangeRecord, code: ErrorCode | ""): void {
    const reason = code === "" ? RETRY_OF_STATUS[exchange.status] : CODE_INDEX[code];
    this.#block[upstreamAt(exchange.upstream!.metricsRow) + UPSTREAM.retries + reason]++;
  }

  record(exchange: ExchangeRecord): void {
    const block = this.#block;
    const { status, errorCode: code } = exchange;
    const durationMs = exchange.endedAtMs - exchange.startedMs;
    const at = routeAt(exchange.route === null ? NO_ROUTE_ROW : exchange.route.metricsRow);
    // A refusal that nobody got (499) is no response.
    const isRefused = code !== "" && exchange.isOwnAnswer;
    const isAnswered = !isRefused || ERROR_TRAITS[code].status === status;
    block[at + ROUTE.requests + (isAnswered ? statusClassOf(status) : 0)]++;
    if (status >= 500 || (code !== "" && !isRefused && IS_FAILURE[CODE_INDEX[code]] === 1)) {
      block[at + ROUTE.failures]++;
    }
    block[at + ROUTE.bytesIn] += exchange.bytesIn;
    block[at + ROUTE.bytesOut] += exchange.bytesOut;
    observeDuration(block, at + ROUTE.duration, durationMs);
    block[GLOBAL.latency + cellOf(durationMs)]++;
    if (code !== "") block[(isRefused && isAnswered ? GLOBAL.rejected : GLOBAL.aborted) + CODE_INDEX[code]]++;
  }
}

function resultOf(exchange: ExchangeRecord, code: ErrorCode | ""): number {
  if (code !== "") return RESULT_OF_CODE + CODE_INDEX[code];
  return exchange.headAtMs >= 0 && !exchange.isAnswered ? RESULT_BAD_STATUS : RESULT_OK;
}
