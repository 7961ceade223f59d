/** A contender that runs: what all have in common once an adapter has said how to start it. */

import { childPids, cpuMicros, peakRssBytes, rssBytes } from "../../tests/support/process_usage.ts";
import { BenchProcess, freeAddress, launchProcess, output, writeFiles } from "./bench_process.ts";
import type { Contender, Launch, Scheme, Setup } from "./contender.ts";

export class ProxyProcess implements AsyncDisposable {
  /** "127.0.0.1:PORT". */
  readonly address: string;
  readonly #contender: Contender;
  readonly #process: BenchProcess;
  #setup: Setup;

  private constructor(contender: Contender, setup: Setup, process: BenchProcess) {
    this.address = setup.address;
    this.#contender = contender;
    this.#process = process;
    this.#setup = setup;
  }

  /** A fresh process; resolves when it accepts connections. */
  static async start(contender: Contender, wanted: Omit<Setup, "address" | "folder">): Promise<ProxyProcess> {
    const prefix = `sluice_bench_${contender.name.replace(/\W/g, "_")}_`;
    const setup: Setup = { ...wanted, address: freeAddress(), folder: Deno.makeTempDirSync({ prefix }) };
    const process = launchProcess(contender.launch(setup), setup.folder);
    const proxy = new ProxyProcess(contender, setup, process);
    try {
      await process.waitForConnect(setup.address);
      return proxy;
    } catch (error) {
      await proxy[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** To its clients. */
  get scheme(): Scheme {
    return this.#setup.downstream;
  }

  /** User and system time of all its processes that run, µs since their start. */
  cpuMicros(): number {
    return this.#sum(cpuMicros);
  }

  /** Resident memory of all its processes; pages that they share count for each. */
  rssBytes(): number {
    return this.#sum(rssBytes);
  }

  peakRssBytes(): number {
    return this.#sum(peakRssBytes);
  }

  /** Has it take up its configuration with another generation. Resolves when it was told, not when it is done. */
  async reload(generation: number): Promise<void> {
    this.#setup = { ...this.#setup, generation };
    const launch: Launch = this.#contender.launch(this.#setup);
    writeFiles(launch, this.#setup.folder);
    if (launch.reload === undefined) throw new TypeError(`${this.#contender.name} cannot reload`);
    if (launch.reload === "by itself") return;
    if (typeof launch.reload === "string") this.#process.signal(launch.reload);
    else await output(launch.reload);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
    Deno.removeSync(this.#setup.folder, { recursive: true });
  }

  #sum(measure: (pid: number) => number): number {
    return family(this.#process.pid).reduce((sum, pid) => sum + measure(pid), 0);
  }
}

/** A process with all its descendants. */
function family(pid: number): number[] {
  return [pid, ...childPids(pid).flatMap(family)];
}
