/** How bodies flow: at once when there is something to pass, and no faster than the slower side takes it. */

import { assert, assertEquals, assertInRange, assertMatch } from "../support/assert.ts";
import type { ScriptedExchange } from "../support/backend_exchange.ts";
import { answerEarly, chunk, echo, echoOf, response } from "../support/backend_scripts.ts";
import { BodyReader } from "../support/http_message.ts";
import type { RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { SseBackend } from "../support/sse_backend.ts";
import { SHARES_CONNECTIONS } from "../support/variants.ts";
import { Gate } from "../support/waiting.ts";
import { ENGINES } from "../support/gateway_stage.ts";
import {
  accessOf,
  Bulk,
  connect,
  digestBody,
  listenerToml,
  MemoryWatch,
  PATIENCE_MS,
  step,
  upstreamToml,
  within,
} from "../support/proxy_stage.ts";

const MEBIBYTE = 1024 * 1024;
/** A body that no chain of buffers swallows. */
const BULK_MEBIBYTES = 160;
/**
 * What may lie between a writer and a reader that has stopped: the sockets' buffers on both hops (the kernel lets each
 * side grow to 4 MiB for sending and 6 MiB for receiving), the proxy's own, and a block under way.
 */
const BETWEEN_BYTES_MAX = 40 * MEBIBYTE;
/** A writer that got nothing off for so long is blocked. Too short on a slow machine it makes the test weaker, not red. */
const BLOCKED_MS = 400;

const STREAMS = 200;

interface Stage {
  readonly sluice: SluiceProcess;
  readonly backend: ScriptedBackend;
  readonly events: SseBackend;
}

function dial({ sluice }: Stage): Promise<RawClient> {
  return connect(sluice.address("web"));
}

/** Waits until a count stands still. */
async function standstill(count: () => number): Promise<number> {
  for (;;) {
    const before = count();
    await new Promise((resolve) => setTimeout(resolve, BLOCKED_MS));
    if (before > 0 && count() === before) return before;
  }
}

async function slowClient(stage: Stage): Promise<void> {
  const bulk = new Bulk(BULK_MEBIBYTES);
  stage.backend.use(async (exchange) => {
    await exchange.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bulk.length}\r\n\r\n`);
    await bulk.send((block) => exchange.write(block));
  });
  using client = await dial(stage);
  const memory = new MemoryWatch(stage.sluice);
  await client.send("GET /flow/slow-client HTTP/1.1\r\nHost: a.test\r\n\r\n");
  const head = await client.readResponseHead();
  assertInRange(await within(standstill(() => bulk.sent), "the backend to be held up"), 1, BETWEEN_BYTES_MAX);
  assertInRange(memory.grownBytes, 0, BETWEEN_BYTES_MAX);
  const { length, sha256 } = await digestBody(client, head);
  assertEquals({ length, sha256 }, { length: bulk.length, sha256: bulk.sha256 });
}

async function slowBackend(stage: Stage): Promise<void> {
  const bulk = new Bulk(BULK_MEBIBYTES);
  const arrived = Promise.withResolvers<ScriptedExchange>();
  const mayRead = new Gate();
  stage.backend.use(async (exchange) => {
    exchange.connection.pauseReading();
    arrived.resolve(exchange);
    await mayRead.opened;
    exchange.connection.resumeReading();
    await exchange.readBody();
    await exchange.write(response(200, "taken"));
  });
  using client = await dial(stage);
  const memory = new MemoryWatch(stage.sluice);
  await client.send(`PUT /flow/slow-backend HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${bulk.length}\r\n\r\n`);
  const sending = bulk.send((block) => client.send(block));
  sending.catch(() => {}); // awaited below; a failure before that is the same failure
  const { request } = await within(arrived.promise, "the request");
  assertInRange(await within(standstill(() => bulk.sent), "the client to be held up"), 1, BETWEEN_BYTES_MAX);
  assertInRange(memory.grownBytes, 0, BETWEEN_BYTES_MAX);
  mayRead.open();
  await within(sending, "the upload");
  assertEquals((await client.readResponse()).text, "taken");
  assertEquals({ length: request.bodyLength, sha256: request.sha256 }, { length: bulk.length, sha256: bulk.sha256 });
}

/** The n-th event is written only after the client has read the one before. */
async function eventsAtOnce(stage: Stage): Promise<void> {
  using client = await dial(stage);
  await client.send("GET /events/at-once HTTP/1.1\r\nHost: a.test\r\n\r\n");
  const head = await client.readResponseHead();
  const body = new BodyReader(client.source, head.framing);
  for (let index = 0; index < 20; index++) {
    await stage.events.emit(`tick ${index}`);
    const event = await within(body.read(), `event ${index}`);
    assertEquals(new TextDecoder().decode(event!), `data: tick ${index}\n\n`);
  }
  stage.events.end();
  assertEquals(await within(body.read(), "the end"), null);
}

/** Ping-pong in one exchange: each piece up is answered by a piece down before the next one goes up. */
async function bothDirections(stage: Stage): Promise<void> {
  stage.backend.use(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (let piece = await exchange.readBodyPiece(); piece !== null; piece = await exchange.readBodyPiece()) {
      await exchange.write(chunk(piece));
    }
    await exchange.write("0\r\n\r\n");
  });
  using client = await dial(stage);
  await client.send("POST /flow/both HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
  await client.send(chunk("piece 0"));
  const head = await client.readResponseHead();
  const body = new BodyReader(client.source, head.framing);
  for (let index = 0; index < 20; index++) {
    if (index > 0) await client.send(chunk(`piece ${index}`));
    const piece = await within(body.read(), `piece ${index}`);
    assertEquals(new TextDecoder().decode(piece!), `piece ${index}`);
  }
  await client.send("0\r\n\r\n");
  assertEquals(await within(body.read(), "the end"), null);
  const { error, status } = await accessOf(stage.sluice, "/flow/both");
  assertEquals({ error, status }, { error: "", status: 200 });
}

/** The answer is there while most of the body is still owed: it arrives whole, and nobody waits for the rest. */
async function earlyResponse(stage: Stage): Promise<void> {
  stage.backend.use(answerEarly(response(413, "too much")));
  using client = await dial(stage);
  await client.send(`POST /flow/early HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${64 * MEBIBYTE}\r\n\r\nfirst`);
  const reply = await client.readResponse();
  assertEquals({ status: reply.status, text: reply.text }, { status: 413, text: "too much" });
  const { backend } = stage;
  const { bodyLength, connectionId } = backend.requests.at(-1)!;
  await backend.waitFor(() => backend.connections[connectionId].source.isEnded, "its connection to close", PATIENCE_MS);
  assert(bodyLength < 64 * MEBIBYTE);
  // What goes on sending gets no second answer: the connection ends, or the rest is thrown away.
  using other = await dial(stage);
  stage.backend.use(echo());
  await other.send("GET /flow/after-early HTTP/1.1\r\nHost: a.test\r\n\r\n");
  assertEquals(echoOf(await other.readResponse()).target, "/flow/after-early");
}

async function manyStreams(stage: Stage): Promise<void> {
  const opened = new Set<ScriptedExchange>();
  const allOpen = new Gate();
  stage.backend.use(async (exchange) => {
    await exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    opened.add(exchange);
    if (opened.size === STREAMS) allOpen.open();
    await exchange.wait(allOpen.opened);
    for (let index = 0; index < 5; index++) await exchange.write(chunk(`${exchange.request.target} ${index}\n`));
    await exchange.write("0\r\n\r\n");
  });
  await Promise.all(Array.from({ length: STREAMS }, async (_, number) => {
    using client = await dial(stage);
    await client.send(`GET /flow/many-${number} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    const lines = (await client.readResponse()).text.split("\n");
    assertEquals(lines.slice(0, 5), Array.from({ length: 5 }, (_, index) => `/flow/many-${number} ${index}`));
  }));
  const targets = new Set([...opened].map(({ request }) => request.target));
  assertEquals(targets.size, STREAMS);
  // What stands behind a stream is repeated elsewhere where connections are shared; else nothing is.
  if (!SHARES_CONNECTIONS) assertEquals(opened.size, STREAMS);
  assertMatch(stage.backend.describe(), /^flow: \d+ requests/);
}

for (const engine of ENGINES) {
  Deno.test(`${engine}: streams flow as they come and as they are taken`, async (t) => {
    await using backend = ScriptedBackend.start(echo(), { name: "flow" });
    await using events = SseBackend.start();
    await using sluice = await SluiceProcess.start(
      listenerToml("web", `engine = "${engine}"`) + upstreamToml("flow", [backend.url]) +
        upstreamToml("events", [events.url]),
      { deadlineMs: PATIENCE_MS },
    );
    const stage = { sluice, backend, events };
    await step(t, "a client that stops reading stops the backend's writing", () => slowClient(stage));
    await step(t, "a backend that stops reading stops the client's writing", () => slowBackend(stage));
    await step(t, "a server-sent event passes before the next is written", () => eventsAtOnce(stage));
    await step(t, "small pieces pass as they arrive, both ways in one exchange", () => bothDirections(stage));
    await step(t, "an early response passes and ends the upload", () => earlyResponse(stage));
    await step(t, `${STREAMS} streams at once keep apart`, () => manyStreams(stage));
    assertEquals(backend.violations, []);
    assertEquals(await sluice.stop(), 0);
  });
}
