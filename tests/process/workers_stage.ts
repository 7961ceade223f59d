/** What the tests of worker threads share: clients of which it is known who shares a worker, and counters over time. */

import { assert } from "../support/assert.ts";
import { RawClient } from "../support/raw_client.ts";
import type { ScriptedBackend } from "../support/scripted_backend.ts";
import { connect, PATIENCE_MS } from "../support/proxy_stage.ts";

export const WORKERS = 2;
export const TWO_WORKERS = `[server]\nworkers = ${WORKERS}\n`;

/** More connections than that for a few on each of two workers: one of them does not accept. */
const CONNECTIONS_MAX = 200;

export function requestTo(target: string): string {
  return `GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
}

/** @returns The status. */
export async function ask(client: RawClient, target: string): Promise<number> {
  await client.send(requestTo(target));
  return (await client.readResponse()).status;
}

/** Clients of one worker. */
export type Crew = readonly RawClient[];

/**
 * Connects until each worker has `count` clients. Who shares a worker shows at the backend: used one after another, they
 * come over the same connection.
 *
 * @param target Of requests to `backend`, which answers at once and keeps connections open.
 */
export async function crewsOf(
  address: string,
  { backend, target, count }: { readonly backend: ScriptedBackend; readonly target: string; readonly count: number },
): Promise<readonly [Crew, Crew]> {
  const crews = new Map<number, RawClient[]>();
  for (let tries = 0; tries < CONNECTIONS_MAX; tries++) {
    const client = await connect(address);
    assert(await ask(client, target) === 200);
    const { connectionId } = backend.requests.at(-1)!;
    const crew = crews.get(connectionId) ?? [];
    crews.set(connectionId, crew);
    if (crew.length < count) crew.push(client);
    else client.close();
    assert(crews.size <= WORKERS, "a connection for each worker, used again and again");
    const [one, two] = [...crews.values()];
    if (one?.length === count && two?.length === count) return [one, two];
  }
  throw new Error(`One worker took nearly all of ${CONNECTIONS_MAX} connections`);
}

/** Sends to one target over one connection after another, until told to stop. What was lost is counted, and it goes on. */
export class Visitor {
  done = 0;
  /** Requests that were not answered with 200, and why. */
  readonly lost: string[] = [];
  readonly #address: string;
  readonly #target: string;
  readonly #isFresh: boolean;
  #client: RawClient | null;
  #isStopped = false;
  readonly #running: Promise<void>;

  /** @param client Its first connection; null: a new one for each request. */
  constructor(address: string, target: string, client: RawClient | null) {
    this.#address = address;
    this.#target = target;
    this.#isFresh = client === null;
    this.#client = client;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        this.#client ??= await RawClient.connect(this.#address, { deadlineMs: PATIENCE_MS });
        const status = await ask(this.#client, this.#target);
        if (status !== 200) this.lost.push(String(status));
        if (this.#isFresh) this.#leave();
      } catch (error) {
        this.lost.push(String(error));
        this.#leave();
      }
      this.done++;
    }
    this.#leave();
  }

  #leave(): void {
    this.#client?.close();
    this.#client = null;
  }
}

/**
 * Until every one of them has done `more` requests more.
 *
 * @param except So many of them may wait for an answer meanwhile.
 */
export async function untilDone(visitors: readonly Visitor[], more: number, except = 0): Promise<void> {
  const targets = visitors.map(({ done }) => done + more);
  const deadline = performance.now() + PATIENCE_MS;
  while (visitors.filter(({ done }, index) => done < targets[index]).length > except) {
    assert(performance.now() < deadline, `Waited in vain for ${more} more requests of each`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Names of samples that may only grow. */
const COUNTER = /^\w+_(total|count|sum|bucket)\b/;

/** Looks at scraped counters one time after another. */
export class CounterWatch {
  #before: ReadonlyMap<string, number> = new Map();
  /** "name from 5 to 3". */
  readonly falls: string[] = [];
  looks = 0;

  look(text: string): void {
    const now = samplesOf(text);
    for (const [name, value] of this.#before) {
      if (!COUNTER.test(name)) continue;
      const next = now.get(name);
      if (next === undefined || next < value) this.falls.push(`${name} from ${value} to ${next}`);
    }
    this.#before = now;
    this.looks++;
  }

  /** The sum over all samples of this name, as last seen. */
  sum(name: string): number {
    return [...this.#before].filter(([key]) => key === name || key.startsWith(`${name}{`))
      .reduce((sum, [, value]) => sum + value, 0);
  }
}

function samplesOf(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const at = line.lastIndexOf(" ");
    return [line.slice(0, at), Number(line.slice(at + 1))];
  }));
}
