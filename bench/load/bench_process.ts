/** A process of the bench: started with its output kept, ended for sure. */

import { freePort } from "../../tests/support/scripted_backend.ts";
import { LineLog } from "../../tests/support/line_log.ts";
import { Watch } from "../../tests/support/waiting.ts";
import type { Command, Launch } from "./contender.ts";

const START_DEADLINE_MS = 15_000;
const STOP_DEADLINE_MS = 5_000;
const CONNECT_RETRY_MS = 5;

/** Root of the repository. */
export const ROOT = new URL("../../", import.meta.url).pathname;

const running = new Set<BenchProcess>();

/** For the end of the bench by a signal, when no `finally` runs. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((process) => process.stop()));
}

export class BenchProcess {
  readonly pid: number;
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #logs: readonly [LineLog, LineLog];
  #hasExited: boolean;

  constructor({ program, args, env = {} }: Command) {
    this.#name = program;
    this.#child = new Deno.Command(program, {
      args: [...args],
      cwd: ROOT,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    const watch = new Watch();
    this.#logs = [new LineLog(this.#child.stdout, watch), new LineLog(this.#child.stderr, watch)];
    this.#hasExited = false;
    running.add(this);
    this.#child.status.then(() => {
      this.#hasExited = true;
      running.delete(this);
    });
  }

  /** Resolves when `address` accepts connections. */
  async waitForConnect(address: string): Promise<void> {
    const [hostname, port] = address.split(":");
    const end = Date.now() + START_DEADLINE_MS;
    for (;;) {
      try {
        (await Deno.connect({ hostname, port: Number(port) })).close();
        return;
      } catch (error) {
        if (this.#hasExited) throw new Error(`${this.#name} exited at its start:\n${this.printed}`);
        if (Date.now() > end) throw new Error(`${this.#name} does not accept connections`, { cause: error });
      }
      await delay(CONNECT_RETRY_MS);
    }
  }

  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** SIGTERM; SIGKILL when that does not end it in time. */
  async stop(): Promise<void> {
    if (!this.#hasExited) this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_DEADLINE_MS);
    await this.#child.status;
    clearTimeout(timer);
    await Promise.all(this.#logs.map(({ ended }) => ended));
  }

  get printed(): string {
    return this.#logs.map(({ text }) => text).join("\n").trim();
  }
}

/** Writes the files of a launch, and starts it. */
export function launchProcess(launch: Launch, folder: string): BenchProcess {
  writeFiles(launch, folder);
  return new BenchProcess(launch);
}

export function writeFiles({ files = {} }: Launch, folder: string): void {
  for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${folder}/${name}`, text);
}

/** @param name A file of `scripts/`. */
export function denoScript(name: string, ...args: string[]): Launch {
  return {
    program: Deno.execPath(),
    args: ["run", "-A", "--no-check", `${ROOT}bench/load/scripts/${name}`, ...args],
  };
}

/** @returns Standard output. @throws {Error} When it does not exit with 0. */
export async function output({ program, args, env = {} }: Command): Promise<string> {
  const command = new Deno.Command(program, { args: [...args], env, stdout: "piped", stderr: "piped" });
  const { code, stdout, stderr } = await command.output();
  const printed = new TextDecoder().decode(stdout);
  if (code !== 0) throw new Error(`${program} exited with ${code}: ${printed}${new TextDecoder().decode(stderr)}`);
  return printed;
}

/** What a program prints about its version, or null when there is no such program. */
export async function programVersion(name: string, ...args: string[]): Promise<string | null> {
  try {
    const { stdout, stderr } = await new Deno.Command(name, { args, stdout: "piped", stderr: "piped" }).output();
    const printed = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    return printed.trim().split("\n")[0] ?? "";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** An address that was free a moment ago, for programs that cannot choose one themselves. */
export function freeAddress(): string {
  return `127.0.0.1:${freePort()}`;
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
