/** A client of the wire engine that ends its side has `limits.half_close` for its answers; nobody works for one that left. */

import { assert, assertEquals } from "../support/assert.ts";
import { answer, chunk, response, type Script } from "../support/backend_scripts.ts";
import { testCertificates } from "../support/certificates.ts";
import type { RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { Gate } from "../support/waiting.ts";
import { toText } from "../support/wire_bytes.ts";
import { accessOf, connect, listenerToml, PATIENCE_MS, step, upstreamToml, within } from "../support/proxy_stage.ts";

/** As many as a pool had connections. */
const LISTENERS_OF_EVENTS = 256;
const CHUNKED_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const FOR_EVER = new Promise<never>(() => {});

const tlsKeys = `tls = { cert = "site.pem", key = "site.key" }`;
const listener = (name: string, halfClose: string, more = "") =>
  listenerToml(name, `engine = "wire"\nlimits = { half_close = "${halfClose}" }\n${more}`);
const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;

const oneEvent: Script = async (exchange) => {
  await exchange.write(CHUNKED_HEAD + toText(chunk("data: 1\n\n")));
  await exchange.wait(FOR_EVER);
};

interface Stage {
  readonly sluice: SluiceProcess;
  readonly backend: ScriptedBackend;
  dial(listener: string): Promise<RawClient>;
}

let asked = 0;
/** Each exchange has a target of its own, to be found in the access log. */
const next = (upstream: string) => `/${upstream}/${++asked}`;

/** Sends, and leaves when the backend has it. @returns The target. */
async function ask({ backend }: Stage, client: RawClient, upstream: string): Promise<string> {
  const before = backend.requests.length;
  const target = next(upstream);
  await client.send(get(target));
  await backend.waitForRequests(before + 1, PATIENCE_MS);
  return target;
}

async function events({ backend, dial }: Stage, name: string, count: number): Promise<void> {
  backend.use(oneEvent);
  const clients = await Promise.all(Array.from({ length: count }, () => dial(name)));
  await Promise.all(clients.map(async (client) => {
    await client.send(get(next("app")));
    await client.source.readThrough("data: 1\n\n");
  }));
  assert(backend.openConnections >= count);
  for (const client of clients) client.close();
  await backend.waitForConnectionsClosed(PATIENCE_MS);
}

async function queued(stage: Stage): Promise<void> {
  const { sluice, backend, dial } = stage;
  const gate = new Gate();
  backend.use(async (exchange) => {
    await exchange.wait(gate.opened);
    await exchange.write(response(200, exchange.request.target));
  });
  using holder = await dial("quick");
  const held = await ask(stage, holder, "one");
  const left = Array.from({ length: 20 }, () => next("one"));
  for (const target of left) {
    const client = await dial("quick");
    await client.send(get(target));
    client.close();
  }
  for (const target of left) {
    const line = await accessOf(sluice, target);
    assertEquals([line.error, line.attempts], ["client_gone", 1]);
  }
  gate.open();
  assertEquals((await holder.readResponse()).text, held);
  using honest = await dial("quick");
  const target = next("one");
  await honest.send(get(target));
  assertEquals((await honest.readResponse()).text, target);
  assertEquals(backend.requests.filter((request) => left.includes(request.target)), []);
}

async function paused(stage: Stage): Promise<void> {
  const { sluice, backend, dial } = stage;
  backend.use(answer(response(503, "again")));
  const client = await dial("quick");
  const target = await ask(stage, client, "again");
  client.close();
  const line = await accessOf(sluice, target);
  assertEquals([line.error, line.attempts], ["client_gone", 1]);
}

async function behindAnother(stage: Stage): Promise<void> {
  const { sluice, backend, dial } = stage;
  const gate = new Gate();
  backend.use(async (exchange) => {
    await exchange.wait(gate.opened);
    await exchange.write(response(200, exchange.request.target));
  });
  using first = await dial("quick");
  const held = await ask(stage, first, "shared");
  const client = await dial("quick");
  const target = next("shared");
  await client.send(get(target));
  client.close();
  assertEquals((await accessOf(sluice, target)).error, "client_gone");
  gate.open();
  assertEquals((await first.readResponse()).text, held);
}

async function allOfThem({ backend, dial }: Stage): Promise<void> {
  backend.use(async (exchange) => {
    await exchange.wait(100); // long enough to have the client watched
    await exchange.write(response(200, exchange.request.target));
  });
  using client = await dial("patient");
  const targets = [next("app"), next("app"), next("app")];
  await client.send(targets.map(get).join(""));
  await client.closeWrite();
  for (const target of targets) {
    const { text, keepAlive } = await client.readResponse();
    assertEquals([text, keepAlive], [target, target !== targets[2]]);
  }
  await client.waitForClose();
}

async function noneOfThem({ sluice, backend, dial }: Stage): Promise<void> {
  backend.use(async (exchange) => await exchange.wait(FOR_EVER));
  const before = backend.requests.length;
  using client = await dial("quick");
  const target = next("app");
  // More than one read of the small buffer that a client begins with.
  await client.send(get(target) + get(next("app")).repeat(200));
  await client.closeWrite();
  await client.waitForClose();
  assertEquals((await accessOf(sluice, target)).error, "client_gone");
  assertEquals(backend.requests.length - before, 1);
}

async function cutStream({ sluice, backend, dial }: Stage): Promise<void> {
  backend.use(async (exchange) => {
    await exchange.write(CHUNKED_HEAD);
    for (;;) {
      await exchange.write(chunk("data: 1\n\n"));
      await exchange.wait(20);
    }
  });
  using client = await dial("quick");
  const target = next("app");
  await client.send(get(target));
  await client.readResponseHead();
  await client.closeWrite();
  await within(backend.connections[backend.requests.at(-1)!.connectionId].closed, "the backend's stream to end");
  assertEquals((await accessOf(sluice, target)).error, "client_gone");
}

async function atOnce({ sluice, backend, dial }: Stage): Promise<void> {
  backend.use(async (exchange) => await exchange.wait(FOR_EVER));
  using client = await dial("never");
  const target = next("app");
  await client.send(get(target));
  await client.closeWrite();
  await client.waitForClose();
  assertEquals((await accessOf(sluice, target)).error, "client_gone");
}

Deno.test("wire: an exchange ends when its client has ended its side, unless the answer is quick", async (t) => {
  const { authority, localhost } = await testCertificates();
  await using backend = ScriptedBackend.start();
  await using other = ScriptedBackend.start(answer());
  const again = `retry = { attempts = 2, on = ["503"], backoff = { initial = "1m", max = "1m", jitter = 0.0 } }`;
  await using sluice = await SluiceProcess.start(
    `[server]\nworkers = 1\n` + listener("quick", "100ms") + listener("tls", "100ms", tlsKeys) +
      listener("patient", "20s") + listener("never", "0s") + upstreamToml("app", [backend.url]) +
      upstreamToml("one", [backend.url], {
        keys: 'pool = { max_connections = 1, queue = 100, queue_timeout = "1m" }',
      }) +
      upstreamToml("again", [backend.url, `{ url = "${other.url}", backup = true }`], { keys: again }) +
      upstreamToml("shared", [backend.url], { keys: "pool = { max_connections = 1, pipelining = 8 }" }),
    { deadlineMs: PATIENCE_MS, files: { "site.pem": localhost.cert, "site.key": localhost.key } },
  );
  const tls = { caCerts: [authority.cert], hostname: "localhost" };
  const dial = (name: string) => connect(sluice.address(name), name === "tls" ? tls : undefined);
  const stage: Stage = { sluice, backend, dial };
  const run = (name: string, work: (stage: Stage) => Promise<void>) => step(t, name, () => work(stage));

  await run("readers of events that close give their streams back", () => events(stage, "quick", LISTENERS_OF_EVENTS));
  await run("and those that close by close_notify", () => events(stage, "tls", 16));
  await run("requests that wait for a connection are not carried out for clients long gone", queued);
  await run("there is no other attempt after the pause before it", paused);
  await run("nor does one behind another in a pipeline go on", behindAnother);
  await run("what was sent before the end is answered, one behind another", allOfThem);
  await run("the time that is left is for all of it", noneOfThem);
  await run("a stream that goes on is cut", cutStream);
  await run("without half_close the client is gone at once", atOnce);
  assertEquals(other.requests.length, 0);
  assertEquals(await sluice.stop(PATIENCE_MS), 0);
  sluice.assertNoBugs();
});
