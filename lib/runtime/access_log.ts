/**
 * The access log: a line for each exchange, to stdout or to a file, never awaited by an exchange.
 *
 * Configuring it has two steps, so that a reload is all or nothing: `prepare` opens what is new and can fail, the change
 * that it returns can't. A file is opened anew each time, which is how a rotated one is let go.
 */

import type { Clock } from "../base/clock.ts";
import { ACCESS_LOG_BUFFER_BYTES_MAX } from "../config/bounds.ts";
import type { LogConfig } from "../config/types.ts";
import { type AccessEntry, combinedLine, jsonLine } from "../observe/access_line.ts";
import type { Exchange } from "../proxy/exchange.ts";
import { LineQueue, type LineSink } from "./line_queue.ts";
import type { EventLog } from "./log.ts";

/** At the end, how long a reader that does not read is waited for. */
const CLOSE_MS_MAX = 1000;

/** The file could not be opened; the message says which and why, for people. */
export class AccessLogError extends Error {
  override readonly name = "AccessLogError";
}

export interface AccessLogChange {
  commit(): void;
  undo(): void;
}

export class AccessLog {
  readonly #clock: Clock;
  readonly #log: EventLog;
  readonly #stdout: LineSink;
  #format: (entry: AccessEntry) => string = jsonLine;
  #queue: LineQueue | null = null;
  /** Lines that were not kept, since the start. */
  dropped = 0;
  /** As configured; what `#queue` writes to. */
  #access = "off";

  /** @param stdout Where lines for stdout go: not every thread may write to it. */
  constructor({ clock, log, stdout }: { clock: Clock; log: EventLog; stdout: LineSink }) {
    this.#clock = clock;
    this.#log = log;
    this.#stdout = stdout;
  }

  /** @throws {AccessLogError} Nothing has changed then. */
  prepare({ access, format }: LogConfig): AccessLogChange {
    // Two writers on one pipe could cut each other's lines.
    const isKept = access === "stdout" && this.#access === "stdout";
    const queue = isKept ? this.#queue : this.#open(access);
    return {
      undo: () => {
        if (!isKept) queue?.end();
      },
      commit: () => {
        const old = this.#queue;
        this.#queue = queue;
        this.#access = access;
        this.#format = format === "json" ? jsonLine : combinedLine;
        if (!isKept) old?.end(); // lines that came before go where they were meant to go
      },
    };
  }

  record(exchange: Exchange): void {
    const queue = this.#queue;
    if (queue === null) return;
    if (queue.refuses()) {
      this.dropped++;
      return;
    }
    queue.push(this.#format(this.#entryOf(exchange)) + "\n");
  }

  /** Resolves when all lines are written, or when that takes too long. */
  async close(): Promise<void> {
    const queue = this.#queue;
    this.#queue = null;
    if (queue === null) return;
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, CLOSE_MS_MAX);
    await Promise.race([queue.end(), patience.promise]);
    clearTimeout(timer);
  }

  #open(access: string): LineQueue | null {
    const sink = openSink(access, this.#stdout);
    if (sink === null) return null;
    return new LineQueue(sink, {
      waitingMax: ACCESS_LOG_BUFFER_BYTES_MAX,
      onDropped: (lines) => this.#log.warn("access_log_dropped", { lines }),
      onFailed: (error) => this.#log.error("access_log_failed", { message: (error as Error).message }),
    });
  }

  #entryOf(exchange: Exchange): AccessEntry {
    const { request } = exchange;
    const durationMs = exchange.endedAtMs - exchange.startedMs;
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

export const STDOUT: LineSink = { write: (bytes) => writeAll(Deno.stdout, bytes), close: () => {} };

function openSink(access: string, stdout: LineSink): LineSink | null {
  if (access === "off") return null;
  if (access === "stdout") return stdout;
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(access, { append: true, create: true });
  } catch (error) {
    throw new AccessLogError(`Cannot write the access log ${access}: ${reasonOf(error)}`, { cause: error });
  }
  return { write: (bytes) => writeAll(file, bytes), close: () => file.close() };
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such folder";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  return (error as Error).message;
}

async function writeAll(file: { write(bytes: Uint8Array): Promise<number> }, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
}
