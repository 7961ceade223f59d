/** A process of the bench: started with its output kept, ended for sure. */

import { LineLog } from "../../tests/support/line_log.ts";
import { Watch } from "../../tests/support/waiting.ts";

const START_DEADLINE_MS = 15_000;
const STOP_DEADLINE_MS = 5_000;
const CONNECT_RETRY_MS = 20;

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
  readonly #watch: Watch;
  readonly #logs: readonly [LineLog, LineLog];
  #hasExited: boolean;

  constructor(name: string, args: readonly string[]) {
    this.#name = name;
    this.#child = new Deno.Command(name, {
      args: [...args],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.#watch = new Watch();
    this.#logs = [new LineLog(this.#child.stdout, this.#watch), new LineLog(this.#child.stderr, this.#watch)];
    this.#hasExited = false;
    running.add(this);
    this.#child.status.then(() => {
      this.#hasExited = true;
      running.delete(this);
      this.#watch.notify();
    });
  }

  /** @returns The address in the first line of JSON that says `"event": "listening"`. */
  async waitForListening(): Promise<string> {
    const find = () => this.#logs.flatMap(({ records }) => records).find(({ event }) => event === "listening")?.address;
    await this.#watch.until(
      () => find() !== undefined || this.#failIfExited(),
      () => `${this.#name} to listen${this.#printed()}`,
      START_DEADLINE_MS,
    );
    return String(find());
  }

  /** Resolves when `address` accepts connections: for programs that do not say when they do. */
  async waitForConnect(address: string): Promise<void> {
    const [hostname, port] = address.split(":");
    const end = Date.now() + START_DEADLINE_MS;
    for (;;) {
      try {
        (await Deno.connect({ hostname, port: Number(port) })).close();
        return;
      } catch (error) {
        this.#failIfExited();
        if (Date.now() > end) throw new Error(`${this.#name} does not accept connections`, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, CONNECT_RETRY_MS));
    }
  }

  /** SIGTERM; SIGKILL when that does not end it in time. */
  async stop(): Promise<void> {
    if (!this.#hasExited) this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_DEADLINE_MS);
    await this.#child.status;
    clearTimeout(timer);
    await Promise.all(this.#logs.map(({ ended }) => ended));
  }

  #failIfExited(): false {
    if (this.#hasExited) throw new Error(`${this.#name} exited at its start${this.#printed()}`);
    return false;
  }

  #printed(): string {
    return `:\n${this.#logs.map(({ text }) => text).join("\n")}`;
  }
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
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
}
