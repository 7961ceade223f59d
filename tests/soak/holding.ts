/**
 * The part of `deno task soak` about connections that are held: 300 clients of one address do what they can, on both
 * engines, with a bounded pool and with the default one; and 5,000 streams to one backend.
 */

import { chunk, hang, type Script } from "../support/backend_scripts.ts";
import { ATTACKS, honest } from "../support/holding_attacks.ts";
import { get } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { connect, listenerToml, upstreamToml } from "../support/proxy_stage.ts";
import type { Order } from "./holding_worker.ts";

const CONNECTIONS = 32;
const REQUESTS = 60;
const P99_MS_MAX = 500;
const STREAMS = 5000;
const ENGINES = ["serve", "wire"] as const;

/** @returns What is wrong; empty when all is well. */
export async function holdingProblems(): Promise<string[]> {
  const problems: string[] = [];
  for (const engine of ENGINES) {
    await attacks(engine, problems);
    await streams(engine, problems);
  }
  return problems;
}

/** Does what it is told, one thing after another. */
class Helper {
  readonly #worker = new Worker(new URL("./holding_worker.ts", import.meta.url), { type: "module" });

  ask(order: Order): Promise<string> {
    const answer = Promise.withResolvers<string>();
    this.#worker.onmessage = ({ data }) => answer.resolve(data);
    this.#worker.postMessage(order);
    return answer.promise;
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

async function attacks(engine: string, problems: string[]): Promise<void> {
  using backend = new Helper();
  using attackers = new Helper();
  const url = await backend.ask({ kind: "backend" });
  const toml = `[server]\ntrusted_proxies = ["127.0.0.1/32"]\n[log]\naccess = "off"\n` +
    listenerToml("web", `engine = "${engine}"`) +
    upstreamToml("bounded", [url], { keys: `pool = { max_connections = ${CONNECTIONS}, pipelining = 1 }` }) +
    upstreamToml("open", [url]);
  await using sluice = await SluiceProcess.start(toml, { deadlineMs: 60_000 });
  const address = sluice.address("web");
  for (const prefix of ["/bounded", "/open"]) {
    for (const [index, { name }] of ATTACKS.entries()) {
      await honest({ address, prefix, requests: 1, pauseMs: 0 });
      await attackers.ask({ kind: "attack", index, address, prefix });
      // Hundreds of connections at once are a burst, which is not what this is about.
      const burst = await honest({ address, prefix, requests: 10, pauseMs: 100 });
      const { failures, tookMs } = await honest({ address, prefix, requests: REQUESTS, pauseMs: 50 });
      await attackers.ask({ kind: "end" });
      failures.push(...burst.failures);
      const sorted = tookMs.toSorted((a, b) => a - b);
      const [p50, p99] = [0.5, 0.99].map((share) => sorted[Math.ceil(sorted.length * share) - 1]);
      const what = `${engine} ${prefix.slice(1)}: ${name}`;
      console.log(`${what}: ${failures.length} failed, p50 ${Math.round(p50)} ms, p99 ${Math.round(p99)} ms`);
      if (failures.length > 0) problems.push(`${what}: ${failures.length} honest requests failed: ${failures[0]}`);
      if (p99 > P99_MS_MAX) problems.push(`${what}: p99 of honest requests is ${Math.round(p99)} ms`);
    }
  }
  await backend.ask({ kind: "end" });
  if (await sluice.stop(60_000) !== 0) problems.push(`${engine}: sluice ended badly`);
}

const stream: Script = async (exchange) => {
  await exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  await exchange.write(chunk("data: 1\n\n"));
  if (exchange.request.target.endsWith("/quick")) await exchange.write("0\r\n\r\n");
  else await hang()(exchange);
};

/** Both ends of all of them are in this process: two descriptors each here, and two there. */
async function streams(engine: string, problems: string[]): Promise<void> {
  await using backend = ScriptedBackend.start(stream);
  const toml = `[log]\naccess = "off"\n` + listenerToml("web", `engine = "${engine}"`) +
    upstreamToml("api", [backend.url]);
  await using sluice = await SluiceProcess.start(toml, { deadlineMs: 60_000 });
  const address = sluice.address("web");
  using stack = new DisposableStack();
  let failed = 0;
  for (let opened = 0; opened < STREAMS; opened += 50) {
    await Promise.all(Array.from({ length: 50 }, async () => {
      try {
        const client = stack.use(await connect(address));
        await client.send(`GET /api/stream HTTP/1.1\r\nHost: a.test\r\n\r\n`);
        if ((await client.readResponseHead()).status !== 200) failed++;
      } catch {
        failed++;
      }
    }));
  }
  const { status } = await get(address, "/api/quick", {}, { deadlineMs: 60_000 });
  console.log(`${engine}: ${STREAMS} streams, ${failed} failed; a request beside them: ${status}`);
  if (failed > 0 || status !== 200) problems.push(`${engine}: ${failed} of ${STREAMS} streams failed, ${status}`);
  backend.closeConnections();
}
