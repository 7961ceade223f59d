/**
 * What sluice says about itself: one JSON object a line, on stderr.
 *
 * `event` is a stable name to search for, everything else is there to read. Written synchronously: these lines are few,
 * and the last one before an end must not be lost.
 */

export type LogLevel = "debug" | "info" | "warn" | "error";

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

const encoder = new TextEncoder();

export class EventLog {
  level: LogLevel;
  /** Applied to every text of a line: what came from the environment is told by its name. */
  redact: (text: string) => string = (text) => text;
  readonly #common: Readonly<Record<string, unknown>>;
  readonly #epochMs: () => number;

  /** @param common Details of every line. */
  constructor(level: LogLevel, epochMs: () => number, common: Readonly<Record<string, unknown>> = {}) {
    this.level = level;
    this.#common = common;
    this.#epochMs = epochMs;
  }

  debug(event: string, details: Readonly<Record<string, unknown>> = {}): void {
    this.#log("debug", event, details);
  }

  info(event: string, details: Readonly<Record<string, unknown>> = {}): void {
    this.#log("info", event, details);
  }

  warn(event: string, details: Readonly<Record<string, unknown>> = {}): void {
    this.#log("warn", event, details);
  }

  error(event: string, details: Readonly<Record<string, unknown>> = {}): void {
    this.#log("error", event, details);
  }

  readonly #redacted = (_key: string, value: unknown): unknown =>
    typeof value === "string" ? this.redact(value) : value;

  #log(level: LogLevel, event: string, details: Readonly<Record<string, unknown>>): void {
    if (RANK[level] < RANK[this.level]) return;
    const time = new Date(this.#epochMs()).toISOString();
    writeToStderr(JSON.stringify({ time, level, event, ...this.#common, ...details }, this.#redacted) + "\n");
  }
}

function writeToStderr(line: string): void {
  const bytes = encoder.encode(line);
  try {
    for (let written = 0; written < bytes.length;) written += Deno.stderr.writeSync(bytes.subarray(written));
  } catch {
    // Nobody listens on stderr any more; there is no other place to say so, and no reason to stop serving.
  }
}

/** From any thread: a backend gets one request a connection for a while. */
export function logPipeliningFallback(
  log: EventLog,
  backend: string,
  { forMs, lost }: { readonly forMs: number; readonly lost: number },
): void {
  log.warn("pipelining_fallback", { backend, for_ms: forMs, lost });
}
