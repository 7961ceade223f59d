/**
 * Load at a fixed rate: `deno run -A open_loop.ts OPEN_LOAD`. Prints a `LoadResult`.
 *
 * Requests leave by the clock, whether or not earlier ones were answered: when no connection is idle, another is
 * opened. So a stall of the proxy meets all the requests that came due in it, and is not left out of the percentiles
 * ("coordinated omission"). Latency runs from the moment a request leaves; a timer of this process that fires late
 * delays the request, not its measurement.
 */

import type { Load } from "../generator.ts";
import { loadResult } from "../load_result.ts";
import { LeanClient, requestBytes } from "./lean_client.ts";

export interface OpenLoad extends Pick<Load, "address" | "shape" | "seconds"> {
  readonly ratePerSecond: number;
  /** Opened beforehand. */
  readonly connections: number;
}

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { address, shape, seconds: durationSeconds, ratePerSecond, connections }: OpenLoad = JSON.parse(Deno.args[0]);
  const request = requestBytes(shape, address);
  const idle = await Promise.all(Array.from({ length: connections }, () => LeanClient.connect(address)));
  const latenciesMs: number[] = [];
  const pending = new Set<Promise<void>>();
  let bytes = 0;
  let failed = 0;
  const send = async () => {
    const sentMs = performance.now();
    const client = idle.pop() ?? await LeanClient.connect(address);
    const received = await client.exchange(request);
    bytes += received;
    latenciesMs.push(performance.now() - sentMs);
    idle.push(client);
  };

  const startedMs = performance.now();
  const count = Math.round(durationSeconds * ratePerSecond);
  for (let sent = 0; sent < count;) {
    const due = Math.min(count, Math.floor((performance.now() - startedMs) * ratePerSecond / 1000) + 1);
    for (; sent < due; sent++) {
      const exchange: Promise<void> = send()
        .catch((error) => void (failed++ === 0 && console.error(error)))
        .finally(() => pending.delete(exchange));
      pending.add(exchange);
    }
    const nextMs = startedMs + sent * 1000 / ratePerSecond;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, nextMs - performance.now())));
  }
  await Promise.all(pending);

  const seconds = (performance.now() - startedMs) / 1000;
  console.log(JSON.stringify(loadResult(latenciesMs, { seconds, bytes, failed })));
  for (const client of idle) client[Symbol.dispose]();
}
