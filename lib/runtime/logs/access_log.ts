/**
 * The access log: a line for each exchange, to stdout or to a file, never awaited by an exchange.
 *
 * Configuring it has two steps, so that a reload is all or nothing: `prepare` opens what is new and can fail, the change
 * that it returns can't. A file is opened anew each time, which is how a rotated one is let go.
 */

import type { Clock } from "../../base/clock.ts";
import { ACCESS_LOG_BUFFER_BYTES_MAX } from "../../config/bounds.ts";
import type { LogConfig } from "../../config/types.ts";
import { FIELD_NAMES, FieldId } from "../../base/field_names.ts";
import { type AccessEntry, type LineFormat, writeCombinedLine, writeJsonLine } from "../../observe/access_line.ts";
import { FieldText } from "../../observe/access_text.ts";
import type { ExchangeRecord } from "../../proxy/exchange_record.ts";
import type { ProxyRequest } from "../../proxy/message/request.ts";
import { LineQueue, type LineSink } from "./line_queue.ts";
import type { EventLog } from "./event_log.ts";

/** At the end, how long a reader that does not read is waited for. */
const CLOSE_MS_MAX = 1000;
/** Lines tell who came for what: not for everybody. The umask may take away more. */
const FILE_MODE = 0o640;
/** Bytes that a pipe takes as one piece whoever else writes into it (PIPE_BUF of Linux). */
const PIPE_BYTES_MAX = 4096;
const LF = 0x0a;
/** For so long the difference between the two clocks is taken as it was; ms. */
const EPOCH_FRESH_MS = 100;

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
  #format: LineFormat = writeJsonLine;
  /** The line under way: one object for all of them. */
  readonly #entry: AccessEntry = emptyEntry();
  #queue: LineQueue | null = null;
  /** What makes a monotonic time one since 1970, and when that was found out. */
  #epochOffsetMs = 0.5;
  #epochReadAtMs = -Infinity;
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
        this.#format = format === "json" ? writeJsonLine : writeCombinedLine;
        if (!isKept) old?.end(); // lines that came before go where they were meant to go
      },
    };
  }

  record(exchange: ExchangeRecord): void {
    const queue = this.#queue;
    if (queue === null) return;
    if (queue.refuses()) {
      this.dropped++;
      return;
    }
    this.#fill(exchange);
    this.#format(queue.out, this.#entry, exchange);
    queue.wrote();
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

  #readEpoch(nowMs: number): void {
    this.#epochOffsetMs = this.#clock.epochMs() - nowMs;
    this.#epochReadAtMs = nowMs;
  }

  #fill(exchange: ExchangeRecord): void {
    const { request } = exchange;
    const entry = this.#entry;
    const durationMs = exchange.endedAtMs - exchange.startedMs;
    // Both clocks run alike for a moment: one of them is read for each exchange anyway.
    if (Math.abs(exchange.endedAtMs - this.#epochReadAtMs) > EPOCH_FRESH_MS) this.#readEpoch(exchange.endedAtMs);
    entry.timeMs = exchange.startedMs + this.#epochOffsetMs;
    entry.client = exchange.clientIp;
    entry.method = request.method;
    entry.host = request.authority;
    entry.target = request.target;
    entry.protocol = request.protocol;
    entry.scheme = request.isSecure ? "https" : "http";
    entry.status = exchange.status;
    entry.bytesIn = exchange.bytesIn;
    entry.bytesOut = exchange.bytesOut;
    entry.durationMs = durationMs;
    entry.route = exchange.route?.name ?? "";
    entry.upstream = exchange.upstream?.name ?? "";
    entry.backend = exchange.backend?.name ?? "";
    entry.attempts = exchange.attempts;
    entry.error = exchange.errorCode;
    const memory = request.head === null ? null : request.head.block;
    entry.memory = memory;
    if (memory !== null && memory.logged !== null && this.#format === writeJsonLine) return;
    fillField(entry.userAgent, request, FieldId.user_agent);
    fillField(entry.referer, request, FieldId.referer);
  }
}

function emptyEntry(): AccessEntry {
  return {
    timeMs: 0.5, // never a whole number for long: of one type from the start
    client: "",
    method: "",
    host: "",
    target: "",
    protocol: "",
    scheme: "",
    status: 0,
    bytesIn: 0,
    bytesOut: 0,
    durationMs: 0.5,
    route: "",
    upstream: "",
    backend: "",
    attempts: 0,
    error: "",
    userAgent: new FieldText(),
    referer: new FieldText(),
    memory: null,
  };
}

/** Where a request holds its fields as bytes, no string is made of them. */
function fillField(text: FieldText, request: ProxyRequest, id: number): void {
  const { head } = request;
  if (head === null) return text.setText(request.field(FIELD_NAMES[id]) ?? "");
  const at = head.find(id);
  if (at < 0) return text.setText("");
  if (head.find(id, at + 1) >= 0) return text.setText(request.field(FIELD_NAMES[id])!);
  text.setBytes(head.fieldBytes, head.offsets[4 * at + 2], head.offsets[4 * at + 3]);
}

export const STDOUT: LineSink = { write: (bytes) => writeAll(Deno.stdout, bytes), close: () => {} };

/** @throws {AccessLogError} */
function openSink(access: string, stdout: LineSink): LineSink | null {
  if (access === "off") return null;
  if (access === "stdout") return stdout;
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(access, { append: true, create: true, mode: FILE_MODE });
  } catch (error) {
    throw new AccessLogError(`Cannot write the access log ${access}: ${reasonOf(error)}`, { cause: error });
  }
  // Every thread has the file open by itself: a disk takes a write as one piece, a pipe only a small one.
  const write = file.statSync().isFile ? writeAll : writeInLines;
  return { write: (bytes) => write(file, bytes), close: () => file.close() };
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such folder";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  return (error as Error).message;
}

interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
}

async function writeAll(sink: ByteSink, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await sink.write(bytes.subarray(written));
}

/** Only a line that is longer than `PIPE_BYTES_MAX` itself may be cut by those of others. */
async function writeInLines(sink: ByteSink, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.length;) {
    let end = Math.min(start + PIPE_BYTES_MAX, bytes.length);
    const lastEnd = bytes.lastIndexOf(LF, end - 1) + 1;
    end = lastEnd > start ? lastEnd : bytes.indexOf(LF, end) + 1 || bytes.length;
    await writeAll(sink, bytes.subarray(start, end));
    start = end;
  }
}
