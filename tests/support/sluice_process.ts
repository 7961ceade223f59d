/**
 * The real thing: `main.ts run` as a process of its own, on a configuration in a temporary folder.
 *
 *     await using sluice = await SluiceProcess.start(`[[listeners]]\nname = "web"\naddress = "127.0.0.1:0"\n…`);
 *     const response = await get(sluice.address("web"), "/");
 *     assertEquals(await sluice.stop(), 0);
 */

import { ConfigFile, type Replacement } from "./config_file.ts";
import { type JsonLine, LineLog } from "./line_log.ts";
import { cpuMicros, rssBytes } from "./process_usage.ts";
import { DEADLINE_MS, Watch, withDeadline } from "./waiting.ts";

export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** More arguments after `run --config FILE`. */
  readonly args?: readonly string[];
  /** Files beside the configuration, by name: certificates and the like. */
  readonly files?: Readonly<Record<string, string>>;
  readonly layout?: "plain" | "symlink";
  /** For the start and for every wait, ms. */
  readonly deadlineMs?: number;
  /** Script to run instead of main.ts: for tests of this file. */
  readonly entry?: string;
  /** Flags of `deno run`. Default: `-A`. */
  readonly denoFlags?: readonly string[];
  /** How many files and sockets it may have open. */
  readonly descriptorsMax?: number;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A start takes longer than most waits: the first in a run fills Deno's caches. */
const START_DEADLINE_MS = 15_000;
/** What the admin listener calls itself; it is not among the `[[listeners]]` that a start waits for. */
const ADMIN = "admin";
const ROOT = new URL("../../", import.meta.url).pathname;
const BUG_SIGNS = /uncaught|unhandled|panicked|Broken invariant/i;

export class SluiceProcess {
  readonly config: ConfigFile;
  readonly pid: number;
  readonly #child: Deno.ChildProcess;
  readonly #watch: Watch;
  readonly #stdout: LineLog;
  readonly #stderr: LineLog;
  readonly #deadlineMs: number;
  /** -1 while it runs; 128 + n after signal n. */
  #exitCode: number;

  private constructor(config: ConfigFile, options: ProcessOptions) {
    const watch = new Watch();
    this.config = config;
    this.#child = command(["run", "--config", config.path, ...options.args ?? []], options).spawn();
    this.pid = this.#child.pid;
    this.#watch = watch;
    this.#stdout = new LineLog(this.#child.stdout, watch);
    this.#stderr = new LineLog(this.#child.stderr, watch);
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS;
    this.#exitCode = -1;
    this.#child.status.then(async ({ code }) => {
      await Promise.all([this.#stdout.ended, this.#stderr.ended]); // its last words may be read after its end
      this.#exitCode = code;
      watch.notify();
    });
  }

  /** Resolves when every listener of `toml` listens. @throws {Error} With what it printed, when it exits instead. */
  static async start(toml: string, options: ProcessOptions = {}): Promise<SluiceProcess> {
    const config = new ConfigFile(toml, options.layout);
    for (const [name, content] of Object.entries(options.files ?? {})) config.add(name, content);
    const sluice = new SluiceProcess(config, options);
    const wanted = toml.match(/^\s*\[\[listeners\]\]/gm)?.length ?? 0;
    try {
      await sluice.waitFor(
        () => [...sluice.#listening().keys()].filter((name) => name !== ADMIN).length >= wanted,
        `${wanted} listeners`,
        options.deadlineMs ?? START_DEADLINE_MS,
      );
    } catch (error) {
      await sluice[Symbol.asyncDispose]();
      throw error;
    }
    return sluice;
  }

  /** Where a listener listens: "127.0.0.1:PORT". Of several lines about one name, the last counts. */
  address(listener: string): string {
    const listening = this.#listening();
    const address = listening.get(listener);
    if (address === undefined) throw new Error(`No listener "${listener}"; there are: ${[...listening.keys()].join()}`);
    return address;
  }

  /** Like `address`, for a listener that a reload adds, or for "admin". */
  async waitForAddress(listener: string): Promise<string> {
    await this.waitFor(() => this.#listening().has(listener), `listener "${listener}"`);
    return this.address(listener);
  }

  /** Log lines, parsed. */
  get events(): readonly JsonLine[] {
    return this.#stderr.records;
  }

  /** Access lines, parsed. */
  get accessLog(): readonly JsonLine[] {
    return this.#stdout.records;
  }

  get stdout(): string {
    return this.#stdout.text;
  }

  get stderr(): string {
    return this.#stderr.text;
  }

  /** -1 while it runs. */
  get exitCode(): number {
    return this.#exitCode;
  }

  /** @returns The first event from number `from` on that `isWanted`, waiting for it when it has not come. */
  async waitForEvent(isWanted: (event: JsonLine) => boolean, from = 0): Promise<JsonLine> {
    const find = () => this.events.slice(from).find(isWanted);
    await this.waitFor(() => find() !== undefined, "an event");
    return find()!;
  }

  /** @returns The first access line from number `from` on that `isWanted`. */
  async waitForAccess(isWanted: (line: JsonLine) => boolean, from = 0): Promise<JsonLine> {
    const find = () => this.accessLog.slice(from).find(isWanted);
    await this.waitFor(() => find() !== undefined, "an access line");
    return find()!;
  }

  /** Resolves when `isMet()`, looked at whenever it prints or exits. @throws {Error} When it exits first. */
  waitFor(isMet: () => boolean, wanted: string, deadlineMs = this.#deadlineMs): Promise<void> {
    const check = () => {
      if (isMet()) return true;
      if (this.#exitCode >= 0) throw new Error(`Exited with ${this.#exitCode} before ${wanted}${this.#printed()}`);
      return false;
    };
    return this.#watch.until(check, () => `${wanted}${this.#printed()}`, deadlineMs);
  }

  writeConfig(toml: string, how: Replacement = "rename"): void {
    this.config.write(toml, how);
  }

  signal(name: Deno.Signal): void {
    this.#child.kill(name);
  }

  rssBytes(): number {
    return rssBytes(this.pid);
  }

  /** User and system time of all its threads so far. */
  cpuMicros(): number {
    return cpuMicros(this.pid);
  }

  /** Waits for the exit without asking for it. @returns The exit code; 128 + n when signal n ended it. */
  async waitForExit(deadlineMs = this.#deadlineMs): Promise<number> {
    const ended = Promise.all([this.#child.status, this.#stdout.ended, this.#stderr.ended]);
    const [{ code }] = await withDeadline(ended, deadlineMs, () => `the exit${this.#printed()}`);
    return code;
  }

  /**
   * SIGTERM, unless it has ended already, and the exit.
   *
   * @returns The exit code.
   * @throws {Error} When it printed a sign of a bug: an uncaught error, an unhandled rejection, a panic.
   */
  async stop(deadlineMs = this.#deadlineMs): Promise<number> {
    if (this.#exitCode < 0) this.signal("SIGTERM");
    const code = await this.waitForExit(deadlineMs);
    this.assertNoBugs();
    return code;
  }

  /** @throws {Error} As `stop` does. */
  assertNoBugs(): void {
    const line = [...this.#stderr.lines, ...this.#stdout.lines].find((printed) => BUG_SIGNS.test(printed));
    if (line !== undefined) throw new Error(`Printed ${JSON.stringify(line)}${this.#printed()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#exitCode < 0) {
      try {
        this.#child.kill("SIGKILL");
      } catch {
        // It exited a moment ago and its status is not here yet.
      }
    }
    await this.waitForExit();
    this.config.remove();
  }

  #listening(): Map<string, string> {
    const lines = this.events.filter(({ event }) => event === "listening");
    return new Map(lines.map(({ listener, address }) => [String(listener), String(address)]));
  }

  #printed(): string {
    return `\n--- stderr\n${this.stderr}\n--- stdout\n${this.stdout}\n---`;
  }
}

/** Runs a command that ends by itself: `runSluice(["check", path])`. */
export async function runSluice(args: readonly string[], options: ProcessOptions = {}): Promise<CommandResult> {
  const child = command(args, options).spawn();
  const output = Promise.all([child.stdout.text(), child.stderr.text(), child.status]);
  try {
    const deadlineMs = options.deadlineMs ?? START_DEADLINE_MS;
    const [stdout, stderr, { code }] = await withDeadline(output, deadlineMs, () => `the end of ${args.join(" ")}`);
    return { code, stdout, stderr };
  } catch (error) {
    child.kill("SIGKILL");
    await output;
    throw error;
  }
}

function command(args: readonly string[], options: ProcessOptions): Deno.Command {
  const entry = options.entry ?? `${ROOT}main.ts`;
  const deno = [Deno.execPath(), "run", ...options.denoFlags ?? ["-A"], "--no-check", entry, ...args];
  const limit = options.descriptorsMax;
  const [program, ...rest] = limit === undefined
    ? deno
    : ["sh", "-c", `ulimit -n ${limit} && exec "$@"`, "sh", ...deno];
  return new Deno.Command(program, {
    args: rest,
    cwd: ROOT,
    // Tests write a file at once: no need to wait for a second half. "" in `env` gives the default back.
    env: { NO_COLOR: "1", SLUICE_SERVER_RELOAD_QUIET: "50ms", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}
