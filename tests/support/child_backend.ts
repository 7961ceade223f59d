/**
 * A backend as a process of its own: one that can die, freeze, and come back where it was.
 *
 *     await using backend = await ChildBackend.start("a");
 *     await backend.kill();
 *     await backend.restart();
 */

import { LineLog } from "./line_log.ts";
import { get } from "./raw_client.ts";
import { Watch } from "./waiting.ts";

const PROGRAM = new URL("./child_backend_main.ts", import.meta.url).pathname;
const DEADLINE_MS = 30_000;
/** Another process may hold the port for a moment that the kernel picked for its own outgoing connection. */
const RESTARTS_MAX = 20;

interface Run {
  readonly child: Deno.ChildProcess;
  readonly output: LineLog;
  hasEnded: boolean;
}

export class ChildBackend {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  readonly #watch: Watch;
  readonly #runs: Run[];

  private constructor(name: string, port: number, watch: Watch, run: Run) {
    this.name = name;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#watch = watch;
    this.#runs = [run];
  }

  static async start(name: string, port = 0): Promise<ChildBackend> {
    const watch = new Watch();
    const run = launch(name, port, watch);
    return new ChildBackend(name, await portOf(run, watch), watch, run);
  }

  /** Request ids of all POSTs carried out, those of earlier lives included. */
  get posts(): readonly string[] {
    return this.#runs.flatMap(({ output }) =>
      output.lines.filter((line) => line.startsWith("post ")).map((line) => line.slice(5))
    );
  }

  get pid(): number {
    return this.#runs.at(-1)!.child.pid;
  }

  /** SIGKILL. Resolves when it is gone and everything that it printed is here. */
  async kill(): Promise<void> {
    const run = this.#runs.at(-1)!;
    if (!run.hasEnded) run.child.kill("SIGKILL");
    await run.child.status;
    await run.output.ended;
  }

  freeze(): void {
    this.#runs.at(-1)!.child.kill("SIGSTOP");
  }

  thaw(): void {
    this.#runs.at(-1)!.child.kill("SIGCONT");
  }

  /** On the same port. */
  async restart(): Promise<void> {
    for (let attempt = 1;; attempt++) {
      const run = launch(this.name, this.port, this.#watch);
      this.#runs.push(run);
      try {
        await portOf(run, this.#watch);
        return;
      } catch (error) {
        if (attempt === RESTARTS_MAX) throw error;
        await this.kill();
      }
    }
  }

  /** What requests get from now on that do not say it themselves, and with which status probes are answered. */
  async control({ what = "", health = 200 }: { readonly what?: string; readonly health?: number }): Promise<void> {
    await get(`127.0.0.1:${this.port}`, `/control?do=${what}&health=${health}`, {}, { deadlineMs: DEADLINE_MS });
  }

  /** What it has counted in its present life. */
  async count(): Promise<{ requests: number; probes: number }> {
    const reply = await get(`127.0.0.1:${this.port}`, "/count", {}, { deadlineMs: DEADLINE_MS });
    return JSON.parse(reply.text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

function launch(name: string, port: number, watch: Watch): Run {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--no-lock", "--allow-net=127.0.0.1", PROGRAM, name, String(port)],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const run: Run = { child, output: new LineLog(child.stdout, watch), hasEnded: false };
  child.status.then(() => {
    run.hasEnded = true;
    watch.notify();
  });
  return run;
}

async function portOf(run: Run, watch: Watch): Promise<number> {
  const line = () => run.output.lines.find((text) => text.startsWith("listening "));
  await watch.until(() => line() !== undefined || run.hasEnded, () => "a backend process to listen", DEADLINE_MS);
  if (line() === undefined) throw new Error("The backend process ended before it listened");
  return Number(line()!.slice("listening ".length));
}
