/**
 * The access log: lines are collected and written in the background, never awaited by an exchange.
 *
 * What waits is bounded: when the disk or the reader of the pipe can't follow, new lines are dropped and counted, and
 * the count is reported once it flows again.
 */

import type { Clock } from "../base/clock.ts";
import { ACCESS_LOG_BUFFER_BYTES_MAX } from "../config/bounds.ts";
import type { LogConfig } from "../config/types.ts";
import { type AccessEntry, combinedLine, jsonLine } from "../observe/access_line.ts";
import type { Recorder } from "../proxy/core.ts";
import type { Exchange } from "../proxy/exchange.ts";
import type { EventLog } from "./log.ts";

/** Short enough to read along, long enough for hundreds of lines a write under load. */
const FLUSH_MS = 20;

/** Where lines go. */
export interface LineSink {
  /** @throws when it can't be written; the sink is then given up. */
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

const encoder = new TextEncoder();

export class AccessLog implements Recorder {
  readonly #clock: Clock;
  readonly #log: EventLog;
  #format: (entry: AccessEntry) => string;
  #sink: LineSink | null;
  #lines: string[] = [];
  /** Characters of `#lines`, which is close enough to bytes for a bound. */
  #waiting = 0;
  #dropped = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #writing: Promise<void> | null = null;

  constructor({ clock, log }: { clock: Clock; log: EventLog }) {
    this.#clock = clock;
    this.#log = log;
    this.#format = jsonLine;
    this.#sink = null;
  }

  /** Lines that came before go to the sink of before. */
  async configure(config: LogConfig): Promise<void> {
    const sink = openSink(config.access);
    await this.flush();
    this.#sink?.close();
    this.#sink = sink;
    this.#format = config.format === "json" ? jsonLine : combinedLine;
  }

  record(exchange: Exchange): void {
    if (this.#sink === null) return;
    if (this.#waiting > ACCESS_LOG_BUFFER_BYTES_MAX) {
      this.#dropped++;
      return;
    }
    const line = this.#format(this.#entryOf(exchange)) + "\n";
    this.#lines.push(line);
    this.#waiting += line.length;
    if (this.#timer === null && this.#writing === null) this.#timer = setTimeout(() => this.#startWriting(), FLUSH_MS);
  }

  /** Resolves when all lines of before are written, or the sink is given up. */
  async flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#startWriting();
    await this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    this.#sink?.close();
    this.#sink = null;
  }

  #startWriting(): void {
    this.#timer = null;
    if (this.#writing !== null || this.#lines.length === 0) return;
    this.#writing = this.#writeAll().finally(() => {
      this.#writing = null;
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#lines.length > 0 && this.#sink !== null) {
      const text = this.#lines.join("");
      this.#lines = [];
      try {
        await this.#sink.write(encoder.encode(text));
      } catch (error) {
        this.#sink.close();
        this.#sink = null;
        this.#log.error("access_log_failed", { message: (error as Error).message });
      }
      this.#waiting -= text.length;
      if (this.#dropped > 0) {
        this.#log.warn("access_log_dropped", { lines: this.#dropped });
        this.#dropped = 0;
      }
    }
  }

  #entryOf(exchange: Exchange): AccessEntry {
    const { request } = exchange;
    const durationMs = this.#clock.nowMs() - exchange.startedMs;
    return {
      timeMs: this.#clock.epochMs() - durationMs,
      client: exchange.clientIp,
      method: request.method,
      host: request.authority,
      target: request.target,
      protocol: request.protocol,
      scheme: request.isSecure ? "https" : "http",
      status: exchange.status,
      bytesIn: exchange.body?.bytes ?? 0,
      bytesOut: exchange.bytesOut,
      durationMs,
      route: exchange.route?.name ?? "",
      upstream: exchange.upstream?.name ?? "",
      backend: exchange.backend?.name ?? "",
      attempts: exchange.attempts,
      error: exchange.errorCode,
      requestId: exchange.requestId,
      userAgent: request.field("user-agent") ?? "",
      referer: request.field("referer") ?? "",
    };
  }
}

function openSink(access: string): LineSink | null {
  if (access === "off") return null;
  if (access === "stdout") return { write: (bytes) => writeAll(Deno.stdout, bytes), close: () => {} };
  const file = Deno.openSync(access, { append: true, create: true });
  return { write: (bytes) => writeAll(file, bytes), close: () => file.close() };
}

async function writeAll(file: { write(bytes: Uint8Array): Promise<number> }, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
}
