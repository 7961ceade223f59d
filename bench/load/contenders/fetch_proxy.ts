/** What one would write in Deno without sluice: `Deno.serve` and `fetch` (../scripts/fetch_proxy.ts). */

import { denoScript } from "../bench_process.ts";
import type { Contender } from "../contender.ts";

export const fetchProxy: Contender = {
  name: "fetch-proxy",
  http2: true,
  reloads: false,
  availability: () => Promise.resolve({ version: `Deno.serve and fetch, Deno ${Deno.version.deno}` }),
  launch: (setup) => denoScript("fetch_proxy.ts", JSON.stringify(setup)),
};
