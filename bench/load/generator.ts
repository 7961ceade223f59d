/** The load: a program of its own. wrk, else scripts/closed_loop.ts; over TLS h2load. */

import { denoScript, output, programVersion } from "./bench_process.ts";
import type { Scheme } from "./contender.ts";
import { runH2load } from "./h2load.ts";
import type { LoadResult } from "./load_result.ts";
import type { Shape } from "./shapes.ts";
import { runWrk } from "./wrk.ts";

export interface Load {
  /** "127.0.0.1:PORT". */
  readonly address: string;
  readonly scheme: Scheme;
  readonly http2: boolean;
  readonly shape: Shape;
  readonly seconds: number;
  /** Each sends its next request when its response is whole. With HTTP/2: streams. */
  readonly connections: number;
  /** A new connection for each request. */
  readonly isFresh: boolean;
}

export type Generator = (load: Load) => Promise<LoadResult>;

export interface Generators {
  /** Scheme to what makes the load over it; null when nothing installed can. */
  readonly http: Generator;
  readonly https: Generator | null;
  /** Names and versions. */
  readonly names: readonly string[];
}

export async function chooseGenerators(): Promise<Generators> {
  const wrk = await programVersion("wrk", "-v");
  const h2load = await programVersion("h2load", "--version");
  return {
    http: wrk === null ? runOwn : runWrk,
    https: h2load === null ? null : runH2load,
    names: [
      wrk === null ? `scripts/closed_loop.ts on Deno ${Deno.version.deno}` : wrk.replace(/ Copyright.*/, ""),
      ...(h2load === null ? [] : [h2load]),
    ],
  };
}

async function runOwn(load: Load): Promise<LoadResult> {
  return JSON.parse(await output(denoScript("closed_loop.ts", JSON.stringify(load))));
}
