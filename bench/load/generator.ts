/** The load: wrk where it is installed, else a generator of our own, each in a process of its own. */

import { programVersion, ROOT } from "./bench_process.ts";

export interface Load {
  /** "127.0.0.1:PORT". */
  readonly address: string;
  readonly seconds: number;
  readonly connections: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Generator {
  /** With its version. */
  readonly name: string;
  /** @throws {Error} When any request failed or was not answered with 2xx. */
  run(load: Load): Promise<LoadResult>;
}

const MS_PER_UNIT: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

export async function chooseGenerator(): Promise<Generator> {
  const version = await programVersion("wrk", "-v");
  if (version !== null) return { name: version.replace(/ Copyright.*/, ""), run: runWrk };
  return { name: `bench/load/deno_generator.ts on Deno ${Deno.version.deno}`, run: runOwn };
}

async function runWrk({ address, seconds, connections }: Load): Promise<LoadResult> {
  const args = ["-t1", `-c${connections}`, `-d${seconds}s`, "--latency", `http://${address}/`];
  const printed = await output("wrk", args);
  // wrk counts statuses from 400 on; that `/` is answered with 200 and not a redirect, the proof has shown.
  if (/Non-2xx|Socket errors/.test(printed)) throw new Error(`Not every request succeeded:\n${printed}`);
  return {
    requests: Number(capture(printed, /(\d+) requests in/)),
    requestsPerSecond: Number(capture(printed, /Requests\/sec:\s+([\d.]+)/)),
    p50Ms: milliseconds(capture(printed, /^\s+50%\s+(\S+)/m)),
    p99Ms: milliseconds(capture(printed, /^\s+99%\s+(\S+)/m)),
  };
}

async function runOwn({ address, seconds, connections }: Load): Promise<LoadResult> {
  const script = `${ROOT}bench/load/deno_generator.ts`;
  const args = ["run", "-A", "--no-check", script, address, String(seconds), String(connections)];
  return JSON.parse(await output(Deno.execPath(), args));
}

async function output(program: string, args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args, stdout: "piped", stderr: "piped" }).output();
  const printed = new TextDecoder().decode(stdout);
  if (code !== 0) throw new Error(`${program} exited with ${code}: ${printed}${new TextDecoder().decode(stderr)}`);
  return printed;
}

function capture(text: string, pattern: RegExp): string {
  const match = pattern.exec(text);
  if (match === null) throw new Error(`No ${pattern} in the output of wrk:\n${text}`);
  return match[1];
}

function milliseconds(text: string): number {
  const match = /^([\d.]+)(us|ms|s|m)$/.exec(text);
  if (match === null) throw new Error(`Cannot read the time "${text}"`);
  return Number(match[1]) * MS_PER_UNIT[match[2]];
}
