/**
 * Mixed traffic, kills, freezes, reloads and clients that leave, for minutes: `deno task soak [MINUTES]`, 3 by default.
 *
 * Then connections that are held for long, some two minutes more: holding.ts.
 *
 * Prints a line of figures every ten seconds and a verdict. Exit status 1 when something was lost, doubled or leaked.
 */

import { ChildBackend } from "../support/child_backend.ts";
import { Load } from "../support/load.ts";
import { openDescriptors } from "../support/process_usage.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { turmoil } from "../support/turmoil.ts";
import { listenerToml, upstreamToml } from "../support/proxy_stage.ts";
import { holdingProblems } from "./holding.ts";

const REPORT_MS = 10_000;
const RELOAD_MS = 700;
const BETWEEN_FAULTS_MS = 1500;
const DOWN_MS = 1000;
/** Beyond a third of the way, when all is warm. */
const GROWTH_BYTES_MAX = 60 * 1024 * 1024;
const SETTLE_MS = 60_000;

const minutes = Number(Deno.args[0] ?? 3);
if (!(minutes > 0)) throw new TypeError(`Minutes must be a number above 0, got "${Deno.args[0]}"`);

function configOf(backends: readonly ChildBackend[], generation: number): string {
  const urls = backends.map(({ url }) => url);
  const common = `pool = { max_idle = 16, idle_timeout = "2s" }\n` +
    `health = { interval = "${500 + generation % 3}ms", timeout = "500ms" }\n` +
    `circuit = { open = "200ms", max_open = "1s" }\n`;
  const times = (responseMs: number) => `timeouts = { connect = "500ms", response = "${responseMs}ms", idle = "2s" }\n`;
  const retry = `retry = { attempts = 4, on = ["connect", "reset", "timeout"], budget = 1.0 }\n`;
  return [
    `[log]\naccess = "off"\n`,
    listenerToml("web"),
    listenerToml("wire", `engine = "wire"\nlimits = { head_timeout = "2s" }`),
    upstreamToml("steady", urls, { keys: common + times(500) + retry }),
    upstreamToml("post", urls, { keys: common + times(1000) + retry }),
    upstreamToml("mixed", urls, { keys: common + times(2000) }),
  ].join("\n");
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

class Soak {
  readonly #sluice: SluiceProcess;
  readonly #backends: readonly ChildBackend[];
  readonly #endMs: number;
  readonly #loads: readonly Load[];
  readonly #post: Load;
  #generation = 0;
  #kills = 0;
  #freezes = 0;
  #visits = 0;
  readonly rss: number[] = [];

  constructor(sluice: SluiceProcess, backends: readonly ChildBackend[]) {
    this.#sluice = sluice;
    this.#backends = backends;
    this.#endMs = performance.now() + minutes * 60_000;
    const get = (listener: string) =>
      new Load({ address: sluice.address(listener), target: () => "/steady/x", clients: 3, pauseMs: 3 });
    this.#loads = [get("web"), get("wire")];
    this.#post = new Load({
      address: sluice.address("wire"),
      target: () => "/post/x",
      method: "POST",
      clients: 2,
      pauseMs: 10,
    });
  }

  async run(): Promise<void> {
    await Promise.all([this.#reloads(), this.#faults(), this.#leavers(), this.#reports()]);
    for (const load of [...this.#loads, this.#post]) await load.stop();
  }

  /** @returns What is wrong; empty when all is well. */
  async verdict(descriptors: number): Promise<string[]> {
    const problems: string[] = [];
    for (const load of this.#loads) if (load.failed > 0) problems.push(`GETs failed: ${load}`);
    const deadline = performance.now() + SETTLE_MS;
    const isSettled = async () => openDescriptors(this.#sluice.pid) <= descriptors && await this.#reload() === 1;
    while (!await isSettled() && performance.now() < deadline) await wait(200);
    const open = openDescriptors(this.#sluice.pid);
    if (open > descriptors) problems.push(`${open} descriptors are open, ${descriptors} were at the start`);
    const plans = await this.#reload();
    if (plans !== 1) problems.push(`${plans} plans are alive`);
    const grown = this.#sluice.rssBytes() - (this.rss[Math.floor(this.rss.length / 3)] ?? 0);
    if (grown > GROWTH_BYTES_MAX) problems.push(`Memory grew by ${mebibytes(grown)}`);
    const bugs = this.#sluice.events.filter(({ event }) => event === "internal_error");
    for (const bug of bugs.slice(0, 5)) problems.push(JSON.stringify(bug));
    const code = await this.#sluice.stop(60_000);
    if (code !== 0) problems.push(`Exit status ${code}`);
    for (const backend of this.#backends) await backend.kill();
    const posts = this.#backends.flatMap((backend) => backend.posts).filter((id) => id.startsWith("load-"));
    const doubled = posts.length - new Set(posts).size;
    if (doubled > 0) problems.push(`${doubled} POSTs were carried out twice`);
    console.log(this.#line(), `| ${posts.length} POSTs carried out, ${doubled} twice; memory ${mebibytes(grown)} more`);
    return problems;
  }

  #isOver(): boolean {
    return performance.now() >= this.#endMs;
  }

  async #reload(): Promise<number> {
    const from = this.#sluice.events.length;
    this.#sluice.writeConfig(configOf(this.#backends, ++this.#generation));
    this.#sluice.signal("SIGHUP");
    return Number((await this.#sluice.waitForEvent(({ event }) => event === "reloaded", from)).plans_alive);
  }

  async #reloads(): Promise<void> {
    for (; !this.#isOver(); await wait(RELOAD_MS)) await this.#reload();
  }

  /** One backend at a time is dead or frozen. */
  async #faults(): Promise<void> {
    for (let round = 0; !this.#isOver(); round++) {
      const victim = this.#backends[round % this.#backends.length];
      if (round % 4 === 3) {
        victim.freeze();
        this.#freezes++;
        await wait(DOWN_MS);
        victim.thaw();
      } else {
        await victim.kill();
        this.#kills++;
        await wait(DOWN_MS);
        await victim.restart();
      }
      await wait(BETWEEN_FAULTS_MS);
    }
  }

  async #leavers(): Promise<void> {
    const addresses = [this.#sluice.address("web"), this.#sluice.address("wire")];
    for (; !this.#isOver(); this.#visits += 140) await turmoil(addresses, "/mixed/x", { count: 140, clients: 4 });
  }

  async #reports(): Promise<void> {
    while (!this.#isOver()) {
      await wait(Math.min(REPORT_MS, this.#endMs - performance.now()));
      this.rss.push(this.#sluice.rssBytes());
      console.log(this.#line());
    }
  }

  #line(): string {
    const [web, wire] = this.#loads;
    const rss = this.rss.at(-1) ?? 0;
    const gets = `${web.done + wire.done} GETs, ${web.failed + wire.failed} failed`;
    const slowest = `slowest ${Math.round(Math.max(web.slowestMs, wire.slowestMs))} ms`;
    return `${gets}, ${slowest}; ${this.#post.done} POSTs, ${this.#post.failed} failed; ${this.#visits} visits; ` +
      `${this.#kills} kills, ${this.#freezes} freezes, ${this.#generation} reloads; ${mebibytes(rss)}`;
  }
}

const backends: ChildBackend[] = [];
for (const name of ["a", "b", "c"]) backends.push(await ChildBackend.start(name));
let problems: string[];
{
  await using sluice = await SluiceProcess.start(configOf(backends, 0), { deadlineMs: 60_000 });
  const descriptors = openDescriptors(sluice.pid) + 6; // probes and files come and go
  const soak = new Soak(sluice, backends);
  await soak.run();
  problems = await soak.verdict(descriptors);
}
for (const backend of backends) await backend.kill();
problems.push(...await holdingProblems());
console.log(problems.length === 0 ? "soak: all is well" : `soak: ${problems.length} problems\n${problems.join("\n")}`);
Deno.exit(problems.length === 0 ? 0 : 1);
