/**
 * Many clients at once, some with spoiled requests, through the real process to backends of which some spoil responses
 * and some get several requests on one connection.
 *
 * Whatever the bytes: nothing of one client's exchange reaches another client, or is mixed with it on the way to a
 * backend; backends get well-formed requests only; a client that did everything right at a site that does gets exactly its
 * answers; and in the end the process lives, has logged no bug, holds no connection and no exchange, and has not grown.
 *
 * `SLUICE_TEST_SEED` sets the seed (timing is not part of it), `SLUICE_FUZZ_SECONDS` how long it goes on.
 */

import { assert, assertEquals } from "../support/assert.ts";
import type { Script } from "../support/backend_scripts.ts";
import { SeededRandom, seededRandom } from "../support/random.ts";
import { RawClient } from "../support/raw_client.ts";
import { withDeadline } from "../support/waiting.ts";
import { toText } from "../support/wire_bytes.ts";
import { Gateway, PATIENCE_MS, type Site } from "../support/gateway_stage.ts";
import { type FuzzRequest, idOf, makeRequest, makeResponse, piecesOf, runsIn, spoil } from "./fuzz_wire.ts";

const SECONDS = Number(Deno.env.get("SLUICE_FUZZ_SECONDS") ?? 6);
const CLIENTS_PER_ENGINE = 6;
const ENGINES = ["serve", "wire"];
/** How long a client with spoiled bytes waits for what may never come. */
const SILENCE_MS = 100;
const GROWTH_BYTES_MAX = 250 * 1024 * 1024;

/** Few connections, much used; silence ends soon, because spoiled messages often leave somebody waiting. */
const UPSTREAM = [
  "pool.max_connections = 8",
  'pool.idle_timeout = "1s"',
  'pool.queue_timeout = "20s"',
  "circuit.failures = 0",
  "circuit.error_rate = 0",
  'retry.backoff = { initial = "1ms" }',
].join("\n");
/** The site that behaves must not fail because a machine is slow. */
const PATIENT = `timeouts.response = "20s"\ntimeouts.idle = "20s"`;
const PIPELINED = "pool.pipelining = 4";
const IMPATIENT = `timeouts.response = "300ms"\ntimeouts.idle = "300ms"\ntimeouts.tunnel = "300ms"`;

/** What must never be; the first is enough. */
const crossings: string[] = [];
/** Spoiled runs that found their own ids in what they received: the search for ids works. */
let recognized = 0;
/** Requests behind which the next one was there already. */
let pipelined = 0;

type Spoiling = "nothing" | "anything" | "ends";

/** @param spoils "ends": broken off, but what came is as it should be: HTTP/1.1 can't number responses. */
function answering(random: SeededRandom, spoils: Spoiling): Script {
  return async (exchange) => {
    await exchange.readBody();
    const { head, text, method } = exchange.request;
    if (exchange.connection.source.length > 0) pipelined++;
    const runs = runsIn(head + text);
    if (runs.size > 1) crossings.push(`One request with bytes of runs ${[...runs].join()}: ${head}${text}`);
    const id = /X-Id: (\S+)/i.exec(head)?.[1] ?? "none";
    const { wire, ends } = makeResponse(random, id, method);
    const isSpoiled = spoils !== "nothing" && random.next() < (spoils === "ends" ? 0.1 : 0.5);
    const sent = !isSpoiled
      ? wire
      : spoils === "ends"
      ? wire.slice(0, random.integer(0, wire.length))
      : spoil(random, wire);
    for (const piece of piecesOf(random, sent)) await exchange.write(piece);
    if (ends || (isSpoiled && (spoils === "ends" || random.next() < 0.3))) exchange.close();
  };
}

async function checkGood(client: RawClient, requests: readonly FuzzRequest[]): Promise<void> {
  for (const { id, method } of requests) {
    const response = await client.readResponse({ method });
    assertEquals([response.status, response.field("x-id")], [200, id], response.text);
    assertEquals(response.text.replaceAll(id, ""), "", "a body of another request");
  }
}

/** Reads until the connection ends or is silent. */
async function readAll(client: RawClient): Promise<string> {
  while (!client.source.isEnded) {
    const isMore = withDeadline(client.source.fill(), SILENCE_MS, () => "");
    if (!await isMore.catch(() => false)) break;
  }
  return toText(client.source.peek());
}

function leaveRudely(client: RawClient): void {
  try {
    client.reset();
  } catch {
    // The proxy was faster.
  }
}

async function runOnce(address: string, seed: number, run: number): Promise<void> {
  const random = new SeededRandom(seed ^ Math.imul(run + 1, 0x9e3779b1));
  const isGood = random.next() < 0.4;
  const site = isGood || random.next() < 0.3
    ? random.pick(["good.test", "piped.test"])
    : random.pick(["wild.test", "torn.test"]);
  const requests = Array.from(
    { length: random.integer(1, 4) },
    (_, index) => makeRequest(random, idOf(run, index), site),
  );
  const valid = requests.map(({ wire }) => wire).join("");
  const wire = isGood || random.next() < 0.3 ? valid : spoil(random, valid);
  using client = await RawClient.connect(address, { deadlineMs: PATIENCE_MS });
  try {
    const sending = (async () => {
      for (const piece of piecesOf(random, wire)) await client.send(piece);
    })();
    if (isGood) {
      await Promise.all([sending, checkGood(client, requests)]);
      return;
    }
    await sending.catch(() => {}); // refused before all was sent
    const received = await readAll(client);
    const found = runsIn(received);
    if (found.has(run)) recognized++;
    const others = [...found].filter((other) => other !== run);
    if (others.length > 0) crossings.push(`Run ${run} received bytes of run ${others.join()}: ${received}`);
    if (random.next() < 0.1) leaveRudely(client);
  } catch (error) {
    throw new Error(`Run ${run} (${isGood ? "valid" : "spoiled"}) with ${JSON.stringify(wire)}`, { cause: error });
  }
}

Deno.test("the proxy: any bytes from clients and backends cross nothing, break nothing, leave nothing", async () => {
  const random = seededRandom("fuzz_proxy");
  const sites: Site[] = [
    { name: "good", script: answering(random, "nothing"), upstream: `${UPSTREAM}\n${PATIENT}` },
    { name: "piped", script: answering(random, "nothing"), upstream: `${UPSTREAM}\n${PIPELINED}\n${PATIENT}` },
    { name: "wild", script: answering(random, "anything"), upstream: `${UPSTREAM}\n${IMPATIENT}` },
    { name: "torn", script: answering(random, "ends"), upstream: `${UPSTREAM}\n${PIPELINED}\n${IMPATIENT}` },
  ];
  const limits = `limits.body_timeout = "20s"`;
  await using gateway = await Gateway.start({
    sites,
    listeners: Object.fromEntries(ENGINES.map((engine) => [engine, `engine = "${engine}"\n${limits}`])),
  });
  const { sluice } = gateway;
  const before = sluice.rssBytes();
  const endsAt = Date.now() + SECONDS * 1000;
  let runs = 0;
  const work = async (engine: string) => {
    while (Date.now() < endsAt && crossings.length === 0) await runOnce(sluice.address(engine), random.seed, runs++);
  };
  await Promise.all(ENGINES.flatMap((engine) => Array.from({ length: CLIENTS_PER_ENGINE }, () => work(engine))));

  assertEquals(crossings.slice(0, 1), []);
  assert(runs > 20, `only ${runs} runs`);
  assert(recognized > runs / 20, `only ${recognized} of ${runs} runs found their own ids`);
  assert(pipelined > 0, "no two requests were on one connection");
  for (const engine of ENGINES) await runOnce(sluice.address(engine), random.seed, runs++);
  for (const { name } of sites) await gateway.waitForBackendClosed(name);
  for (const { name } of sites) assertEquals(gateway.backend(name).violations, []);
  const grown = sluice.rssBytes() - before;
  assert(grown < GROWTH_BYTES_MAX, `grew by ${Math.round(grown / 1024 / 1024)} MiB`);
  assertEquals(await sluice.stop(PATIENCE_MS), 0);
  assertEquals(sluice.events.filter(({ event }) => event === "internal_error"), []);
  assertEquals(sluice.accessLog.filter(({ error }) => error === "internal_error"), []);
  assertEquals(sluice.events.find(({ event }) => event === "stopped")?.cut_off, 0, "exchanges that never ended");
  console.log(
    `fuzz_proxy: ${runs} connections, ${sluice.accessLog.length} exchanges (${pipelined} pipelined), ${
      grown >> 20
    } MiB more`,
  );
});
