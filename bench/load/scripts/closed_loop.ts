/**
 * The load generator where wrk is missing: `deno run -A closed_loop.ts LOAD`. Each connection sends its next request
 * when the response is whole. Prints a `LoadResult`.
 */

import type { Load } from "../generator.ts";
import { loadResult } from "../load_result.ts";
import { LeanClient, requestBytes } from "./lean_client.ts";

const load: Load = JSON.parse(Deno.args[0]);
const request = requestBytes(load.shape, load.address, load.isFresh);
const latenciesMs: number[] = [];
let bytes = 0;
let failed = 0;
const startedMs = performance.now();
const endMs = startedMs + load.seconds * 1000;

await Promise.all(Array.from({ length: load.connections }, drive));

const seconds = (performance.now() - startedMs) / 1000;
console.log(JSON.stringify(loadResult(latenciesMs, { seconds, bytes, failed })));

async function drive(): Promise<void> {
  while (performance.now() < endMs) {
    try {
      using client = await LeanClient.connect(load.address);
      do await exchange(client); while (!load.isFresh && performance.now() < endMs);
    } catch (error) {
      if (failed++ === 0) console.error(error);
    }
  }
}

async function exchange(client: LeanClient): Promise<void> {
  const sentMs = performance.now();
  const received = await client.exchange(request);
  bytes += received;
  latenciesMs.push(performance.now() - sentMs);
}
