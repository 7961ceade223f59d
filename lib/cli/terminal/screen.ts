/**
 * A picture that is drawn again every second: over itself on a terminal, one block after another elsewhere.
 *
 * On a terminal it lives on the alternate screen, so that what was there before is there again afterwards.
 */

export interface ScreenOutput {
  isTerminal(): boolean;
  write(text: string): void;
  /** The size of the terminal. */
  size(): { columns: number; rows: number };
}

export interface WatchOptions {
  readonly output: ScreenOutput;
  /** Ends the watching. */
  readonly signal: AbortSignal;
  readonly intervalMs: number;
  /** Where it is no terminal: after each block. Default: an empty line. */
  readonly blockEnd?: string;
}

/** Alternate screen, no cursor, no wrapping: a line too long must not become two. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

export const STDOUT: ScreenOutput = {
  isTerminal: () => Deno.stdout.isTerminal(),
  write: (text) => {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  },
  size: () => Deno.consoleSize(),
};

/** @returns The width to draw for; `Infinity` when it is no terminal. */
export function widthOf(output: ScreenOutput): number {
  if (!output.isTerminal()) return Infinity;
  try {
    return output.size().columns;
  } catch {
    return 80; // a terminal that does not tell
  }
}

/** Draws until the signal, whatever happens to `draw` last is thrown. The terminal is as before in any case. */
export async function watchScreen(draw: () => Promise<readonly string[]>, options: WatchOptions): Promise<void> {
  const { output, signal, intervalMs, blockEnd = "\n" } = options;
  const isTerminal = output.isTerminal();
  if (isTerminal) output.write(ENTER);
  try {
    while (!signal.aborted) {
      const lines = await draw();
      if (signal.aborted) return;
      if (isTerminal) output.write(frameOf(lines, output.size().rows));
      else if (lines.length > 0) output.write(`${lines.join("\n")}\n${blockEnd}`);
      await pause(intervalMs, signal);
    }
  } finally {
    if (isTerminal) output.write(LEAVE);
  }
}

/** What does not fit below is left out: a terminal that scrolls would lose the head. */
function frameOf(lines: readonly string[], rows: number): string {
  const shown = lines.length <= rows ? lines : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more`];
  return `${HOME}${shown.map((line) => `${line}${CLEAR_LINE}`).join("\r\n")}${CLEAR_BELOW}`;
}

/** Resolves after `ms`, or at once when the signal comes. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(() => clearTimeout(timer));
}

/** Aborts at SIGINT and SIGTERM instead of ending the process, as long as `work` takes. */
export async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const onSignal = () => abort.abort();
  const signals: readonly Deno.Signal[] = ["SIGINT", "SIGTERM"];
  for (const name of signals) Deno.addSignalListener(name, onSignal);
  try {
    return await work(abort.signal);
  } finally {
    for (const name of signals) Deno.removeSignalListener(name, onSignal);
  }
}
