/** How long it takes until both workers know what one has found out, measured in the memory that they read. */

import { assert, assertEquals } from "../support/assert.ts";
import { echo, response } from "../support/backend_scripts.ts";
import { ConfigFile } from "../support/config_file.ts";
import type { Watched } from "./mask_observer.ts";
import { startInProcess } from "../support/in_process.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { listenerToml, upstreamToml, within } from "../support/proxy_stage.ts";
import { ask, crewsOf, TWO_WORKERS, WORKERS } from "./workers_stage.ts";

const ROUNDS = 20;

/** A thread that looks at shared memory. */
class Observer {
  readonly #worker = new Worker(new URL("./mask_observer.ts", import.meta.url), { type: "module" });
  readonly #messages: unknown[] = [];
  #wake: () => void = () => {};

  constructor() {
    this.#worker.onmessage = ({ data }) => {
      this.#messages.push(data);
      this.#wake();
    };
  }

  async watch(watched: Watched): Promise<void> {
    this.#worker.postMessage(watched);
    assertEquals(await this.#next(), "watching");
  }

  /** @returns When it saw the change, ms since the epoch. */
  async seenAtMs(): Promise<number> {
    return await within(this.#next(), "the mask to change") as number;
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }

  async #next(): Promise<unknown> {
    while (this.#messages.length === 0) await new Promise<void>((resolve) => this.#wake = resolve);
    return this.#messages.shift();
  }
}

Deno.test("a backend that fails in one worker is out for both before the other has a request for it", async () => {
  let answeredAtMs = 0;
  await using bad = ScriptedBackend.start(async (exchange) => {
    answeredAtMs = performance.timeOrigin + performance.now();
    await exchange.write(response(503, ""));
  });
  await using good = ScriptedBackend.start(echo());
  // Each round has an upstream of its own, with settings and so with health of its own.
  const rounds = Array.from(
    { length: ROUNDS },
    (_, round) =>
      upstreamToml(`u${round}`, [bad.url, `{ url = "${good.url}", backup = true }`], {
        keys: `circuit = { failures = 1, open = "${60 + round}s" }\nretry.attempts = 1`,
      }),
  );
  const config = new ConfigFile(
    TWO_WORKERS + `[log]\nlevel = "error"\naccess = "off"\n` + listenerToml("web", `engine = "wire"`) +
      upstreamToml("good", [good.url]) + rounds.join(""),
  );
  const sluice = await startInProcess(config.path);
  try {
    using one = new Observer();
    using other = new Observer();
    const [{ address }] = sluice.dataPlane.listeners;
    const [[finder], [follower]] = await crewsOf(address, { backend: good, target: "/good/x", count: 1 });
    const delaysMs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const { eligible } = sluice.plan.upstreams.get(`u${round}`)!.members.health;
      assert(eligible.buffer instanceof SharedArrayBuffer);
      const watched = { buffer: eligible.buffer, byteOffset: eligible.byteOffset, before: eligible[0] };
      await Promise.all([one.watch(watched), other.watch(watched)]);
      const [first, second] = round % 2 === 0 ? [finder, follower] : [follower, finder];
      assertEquals(await ask(first, `/u${round}/x`), 503);
      const seen = await Promise.all([one.seenAtMs(), other.seenAtMs()]);
      delaysMs.push(Math.max(...seen) - answeredAtMs);
      for (const client of [second, first]) assertEquals(await ask(client, `/u${round}/x`), 200);
      assertEquals(bad.requests.length, round + 1, "one failure is all that it took, in both");
    }
    delaysMs.sort((a, b) => a - b);
    if (Deno.env.has("SLUICE_TEST_REPORT")) {
      const [median, most] = [delaysMs[ROUNDS >> 1], delaysMs[ROUNDS - 1]].map((ms) => ms.toFixed(2));
      console.log(`from a backend's 503 to the mask in ${WORKERS} other threads: median ${median} ms, most ${most} ms`);
    }
    for (const client of [finder, follower]) client.close();
  } finally {
    await sluice.shutdown();
    config.remove();
  }
});
