/** After clients that left in every stage, dead backends and many reloads, all is as it was before. */

import { assert, assertEquals } from "../support/assert.ts";
import { ChildBackend } from "../support/child_backend.ts";
import { openDescriptors } from "../support/process_usage.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { turmoil } from "../support/turmoil.ts";
import { WORKERS } from "../support/workers.ts";
import { listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";

const VISITS = 700;
const RELOADS = 15;
/** Between two looks at something that settles by itself, ms. */
const LOOK_MS = 100;
/** A garbage collector gives back when it likes: what leaks goes beyond this in a few rounds. */
const GROWTH_BYTES_MAX = 80 * 1024 * 1024;

function configOf(backends: readonly ChildBackend[], generation: number): string {
  return [
    `[log]\naccess = "off"\n`,
    listenerToml("web"),
    listenerToml("wire", `engine = "wire"\nlimits = { head_timeout = "2s" }`),
    upstreamToml("mixed", backends.map(({ url }) => url), {
      keys: `pool = { max_connections = 64, max_idle = 8, idle_timeout = "1s", queue_timeout = "2s" }\n` +
        `timeouts = { response = "2s", idle = "2s" }\n` +
        `retry = { on = ["connect", "reset", "timeout"] }\n` +
        `circuit = { open = "100ms", max_open = "200ms", min_requests = ${20 + generation % 5} }\n` +
        `health = { interval = "1s", timeout = "1s" }`,
    }),
  ].join("\n");
}

class Stage {
  readonly sluice: SluiceProcess;
  readonly backends: readonly ChildBackend[];
  #generation = 0;

  constructor(sluice: SluiceProcess, backends: readonly ChildBackend[]) {
    this.sluice = sluice;
    this.backends = backends;
  }

  /** Health settings that differ make new machines; SIGHUP alone makes a new plan. */
  async reload(): Promise<number> {
    const from = this.sluice.events.length;
    this.#generation++;
    this.sluice.writeConfig(configOf(this.backends, this.#generation));
    this.sluice.signal("SIGHUP");
    const line = await this.sluice.waitForEvent(({ event }) => event === "reloaded", from);
    return Number(line.plans_alive);
  }

  async round(): Promise<void> {
    const addresses = [this.sluice.address("web"), this.sluice.address("wire")];
    const visits = turmoil(addresses, "/mixed/x", { count: VISITS });
    const [victim] = this.backends;
    for (let count = 0; count < RELOADS; count++) {
      await this.reload();
      if (count === 5) await victim.kill();
      if (count === 10) await victim.restart();
    }
    await visits;
  }

  /** Until idle connections have reached their timeout and nothing is left on an old plan. */
  async settle(descriptorsMax: number): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    const isSettled = async () => openDescriptors(this.sluice.pid) <= descriptorsMax && await this.reload() === 1;
    while (!await isSettled()) {
      if (performance.now() > deadline) throw new Error(`Still open: ${openDescriptors(this.sluice.pid)} descriptors`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

Deno.test("Sockets, plans and memory return to what they were", async (t) => {
  await using a = await ChildBackend.start("a");
  await using b = await ChildBackend.start("b");
  await using sluice = await SluiceProcess.start(configOf([a, b], 0), { deadlineMs: PATIENCE_MS });
  const stage = new Stage(sluice, [a, b]);
  // Probes hold one descriptor each at times, reading a file another.
  const descriptors = openDescriptors(sluice.pid) + 4;
  const figures: string[] = [];
  let before = 0;
  await step(t, "a first round, which also warms up", async () => {
    await stage.round();
    await stage.settle(descriptors);
    before = sluice.rssBytes();
  });
  await step(t, "sockets and plans are given back, round after round", async () => {
    for (let round = 0; round < 2; round++) {
      await stage.round();
      const busy = openDescriptors(sluice.pid);
      await stage.settle(descriptors);
      figures.push(`${busy} → ${openDescriptors(sluice.pid)} descriptors, ${mebibytes(sluice.rssBytes())}`);
    }
  });
  await step(t, "memory does not grow with them", () => {
    const grown = sluice.rssBytes() - before;
    if (Deno.env.has("SLUICE_TEST_REPORT")) console.log([mebibytes(before), ...figures].join("; "));
    assert(grown < GROWTH_BYTES_MAX, `Grew by ${mebibytes(grown)}: ${figures.join("; ")}`);
  });
  await step(t, "no exchange is left over", async () => {
    assertEquals(await sluice.stop(PATIENCE_MS), 0);
    const find = (name: string) => sluice.events.find(({ event }) => event === name);
    // What workers have is known as they last told, 100 ms ago or less; what they had to cut off is known exactly.
    if (WORKERS === 1) assertEquals(find("draining")?.exchanges, 0);
    assertEquals(find("stopped")?.cut_off, 0);
    assertEquals(sluice.events.filter(({ event }) => event === "internal_error"), []);
  });
});
