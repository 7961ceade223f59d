/**
 * Two checkouts side by side: `deno task bench:compare --base ../sluice-before [--workloads small,browser]`.
 *
 * Ratios of some percent drown in what differs from one process to the next and from one minute to the next. So base and
 * head (and nginx, as a yardstick) run at the same time, warm, and are loaded in turn for a second each, many times; each
 * turn gives one ratio. Then fresh processes do the same again. Printed are the median of all ratios with the interval
 * that holds the true one in 95 of 100 cases, and the median of each set of processes, which shows how far those alone
 * differ. `--base .` compares a checkout with itself, which is the noise.
 */

import { parseArgs } from "node:util";
import { resolve } from "node:path";
import { startBackend } from "./backend.ts";
import { ROOT, stopAll } from "./bench_process.ts";
import type { Contender, Scheme } from "./contender.ts";
import { nginx } from "./contenders/nginx.ts";
import { sluice, type Variant } from "./contenders/sluice.ts";
import { chooseGenerators, type Load } from "./generator.ts";
import { faultOf } from "./load_result.ts";
import { prove } from "./proof.ts";
import type { ProxyProcess } from "./proxy_process.ts";
import { type Shape, SHAPES } from "./shapes.ts";
import { median, medianInterval, roundOrder } from "./statistics.ts";
import { type Stage, startProxy } from "./workload.ts";

/** How a workload loads the proxy. */
interface Form {
  readonly shape: Shape;
  readonly downstream?: Scheme;
  readonly isFresh?: boolean;
  readonly connections?: number;
}

const FORMS: Readonly<Record<string, Form>> = {
  "small": { shape: SHAPES.small },
  "browser": { shape: SHAPES.page },
  "get-16k": { shape: SHAPES.get16k },
  "get-1m": { shape: SHAPES.get1m, connections: 16 },
  "post-1k": { shape: SHAPES.post1k },
  "post-1m": { shape: SHAPES.post1m, connections: 16 },
  "connect": { shape: SHAPES.small, isFresh: true },
  "tls-h1": { shape: SHAPES.small, downstream: "https" },
};

interface CompareOptions {
  readonly base: string;
  readonly forms: readonly string[];
  readonly variant: Variant;
  readonly sets: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly connections: number;
}

/** CPU µs a request of everybody in one turn, in the order of the contenders. */
type Turn = readonly number[];

if (import.meta.main) {
  const stop = () => stopAll().then(() => Deno.exit(1));
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
  await compare(readCompareOptions(Deno.args));
  Deno.exit(0); // the signal listeners would keep it alive
}

/** @throws {TypeError} Naming what it cannot use. */
export function readCompareOptions(args: readonly string[]): CompareOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      base: { type: "string" },
      workloads: { type: "string", default: "small" },
      engine: { type: "string", default: "wire" },
      pipelining: { type: "string", default: "1" },
      log: { type: "boolean", default: false },
      sets: { type: "string", default: "3" },
      rounds: { type: "string", default: "12" },
      seconds: { type: "string", default: "1" },
      warmup: { type: "string", default: "6" },
      connections: { type: "string", default: "64" },
    },
  });
  const { base, engine } = values;
  if (base === undefined) throw new TypeError("Cannot compare: --base names no checkout");
  if (engine !== "wire" && engine !== "serve") {
    throw new TypeError(`Cannot use --engine: must be "wire" or "serve", got "${engine}"`);
  }
  const forms = values.workloads.split(",");
  const unknown = forms.find((name) => !(name in FORMS));
  if (unknown !== undefined) {
    throw new TypeError(`No workload "${unknown}"; there are ${Object.keys(FORMS).join(", ")}`);
  }
  return {
    base: `${resolve(base)}/`,
    forms,
    variant: { engine, pipelining: count("pipelining", values.pipelining), logsAccess: values.log },
    sets: count("sets", values.sets),
    rounds: count("rounds", values.rounds),
    seconds: count("seconds", values.seconds),
    warmup: count("warmup", values.warmup),
    connections: count("connections", values.connections),
  };
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new TypeError(`Cannot use --${name}: must be a whole number from 1, got "${text}"`);
}

async function compare(options: CompareOptions): Promise<void> {
  const generators = await chooseGenerators();
  const contenders = await present([
    sluice("base", options.variant, options.base),
    sluice("head", options.variant, ROOT),
    nginx,
  ]);
  const folder = Deno.makeTempDirSync({ prefix: "sluice_bench_" });
  try {
    await using backend = await startBackend(folder);
    const { seconds, warmup, connections } = options;
    const stage: Stage = { backend, generators, seconds, warmup, connections };
    for (const name of options.forms) {
      const sets: Turn[][] = [];
      for (let set = 1; set <= options.sets; set++) {
        sets.push(await measureSet(contenders, { stage, form: FORMS[name], rounds: options.rounds }));
        console.error(`${name}, processes ${set} of ${options.sets}: ${ratioText(sets.at(-1)!)}`);
      }
      console.log(comparisonText(name, contenders.map((contender) => contender.name), sets));
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Both checkouts have to be there; nginx need not. */
async function present(contenders: readonly Contender[]): Promise<Contender[]> {
  const found: Contender[] = [];
  for (const contender of contenders) {
    const answer = await contender.availability();
    if ("version" in answer) found.push(contender);
    else if (contender === nginx) console.error(`nginx is left out: ${answer.missing}`);
    else throw new Error(`Cannot compare: ${contender.name} is missing: ${answer.missing}`);
  }
  return found;
}

interface SetOptions {
  readonly stage: Stage;
  readonly form: Form;
  readonly rounds: number;
}

/** Fresh processes, all at once; one turn a round. */
async function measureSet(contenders: readonly Contender[], { stage, form, rounds }: SetOptions): Promise<Turn[]> {
  const { shape, downstream = "http", isFresh = false, connections = Infinity } = form;
  const run = stage.generators[downstream];
  if (run === null) throw new Error("Cannot make load over TLS: h2load is not installed");
  await using stack = new AsyncDisposableStack();
  const proxies: ProxyProcess[] = [];
  const loadOf = ({ address }: ProxyProcess, seconds: number): Load => ({
    address,
    scheme: downstream,
    http2: false,
    shape,
    seconds,
    connections: Math.min(connections, stage.connections),
    isFresh,
  });
  for (const contender of contenders) {
    const proxy = stack.use(await startProxy(contender, stage, { downstream }));
    proxies.push(proxy);
    await prove(loadOf(proxy, 1), stage.backend.certificates);
    await run(loadOf(proxy, stage.warmup));
  }
  const turns: Turn[] = [];
  for (let round = 1; round <= rounds; round++) {
    const turn: number[] = new Array(proxies.length).fill(NaN);
    for (const proxy of roundOrder(proxies, round)) {
      const before = proxy.cpuMicros();
      const result = await run(loadOf(proxy, stage.seconds));
      const fault = faultOf(result, shape.responseBytes);
      if (fault !== "") throw new Error(`${contenders[proxies.indexOf(proxy)].name}: ${fault}`);
      turn[proxies.indexOf(proxy)] = (proxy.cpuMicros() - before) / result.requests;
    }
    turns.push(turn);
  }
  return turns;
}

function ratios(turns: readonly Turn[], of: number, to: number): number[] {
  return turns.map((turn) => turn[of] / turn[to]);
}

function ratioText(turns: readonly Turn[]): string {
  return `head ÷ base ${median(ratios(turns, 1, 0)).toFixed(3)}`;
}

/** @param sets Turns by set of processes; of each turn base is the first, head the second. */
export function comparisonText(name: string, contenders: readonly string[], sets: readonly Turn[][]): string {
  const turns = sets.flat();
  const [low, high] = medianInterval(ratios(turns, 1, 0));
  const all = median(ratios(turns, 1, 0)).toFixed(3);
  const each = sets.map((set) => median(ratios(set, 1, 0)).toFixed(3)).join(" ");
  const lines = [
    `${name}: head ÷ base ${all} (95 %: ${low.toFixed(3)} to ${high.toFixed(3)}); by set of processes ${each}`,
    ...contenders.map((contender, index) => {
      const micros = median(turns.map((turn) => turn[index])).toFixed(1);
      const toYardstick = contenders.length > 2 && index < 2
        ? `, ÷ ${contenders[2]} ${median(ratios(turns, index, 2)).toFixed(2)}`
        : "";
      return `  ${contender}: ${micros} CPU µs / request${toYardstick}`;
    }),
  ];
  return lines.join("\n");
}
