/** Requests that share a backend's connections, through the real process, over both engines. */

import { assert, assertEquals } from "../support/assert.ts";
import type { ScriptedExchange } from "../support/backend_exchange.ts";
import { response, type Script } from "../support/backend_scripts.ts";
import { testCertificates } from "../support/certificates.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { Gate } from "../support/waiting.ts";
import { toText } from "../support/wire_bytes.ts";
import { WORKERS } from "../support/workers.ts";
import { reload } from "../support/reload_stage.ts";
import { connect, listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";

const ENGINES = ["serve", "wire"];
/** Enough to share connections when they come at once. */
const CLIENTS = 12;
const KEYS = ["pool.pipelining = 4", "pool.max_connections = 64", "circuit = { failures = 0, error_rate = 0.0 }"]
  .join("\n");

/** What the backends saw. */
class Seen {
  /** Requests behind which the next one was there already. */
  shared = 0;
  /** Unsafe requests that shared a connection. */
  readonly wrong: string[] = [];

  look({ connection, request }: ScriptedExchange): void {
    const behind = toText(connection.source.peek());
    if (behind === "") return;
    this.shared++;
    if (request.method === "POST" || behind.includes("POST ")) this.wrong.push(`${request.method}, then ${behind}`);
  }
}

/** An answer that says whose it is, in a size and a framing that its target decides. */
function answerOf({ request: { target, method } }: ScriptedExchange): Uint8Array {
  if (method === "HEAD") return response(200, "", { framing: "none", fields: [["X-Target", target]] });
  const number = Number(/\d+$/.exec(target)?.[0] ?? 0);
  const framing = number % 3 === 0 ? "chunked" : "length";
  const body = target.repeat(number % 7 === 0 ? 3000 : 1);
  return response(200, body, { framing, fields: [["X-Target", target]] });
}

/** Takes a moment, in which the next request can come. */
function answering(seen: Seen): Script {
  return async (exchange) => {
    await exchange.readBody();
    await exchange.wait(1);
    seen.look(exchange);
    if (exchange.request.target.includes("/early")) await exchange.write("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n");
    await exchange.write(answerOf(exchange));
  };
}

/** Takes one request at a time: closes behind an answer where another request is there already. */
function closing(seen: Seen): Script {
  return async (exchange) => {
    await exchange.wait(1);
    seen.look(exchange);
    const isAlone = exchange.connection.source.length === 0;
    const fields: [string, string][] = isAlone ? [] : [["Connection", "close"]];
    await exchange.write(response(200, exchange.request.target, { fields }));
    if (!isAlone) exchange.close();
  };
}

function hanging(seen: Seen, gate: Gate): Script {
  return async (exchange) => {
    await exchange.wait(1);
    seen.look(exchange);
    if (exchange.request.target.includes("/never/")) await exchange.wait(gate.opened);
    await exchange.write(answerOf(exchange));
  };
}

let requests = 0;

/** Each client sends one request after another, all clients at once. @returns How many were not answered rightly. */
async function burst(address: string, path: string, methods: readonly string[], rounds = 4): Promise<string[]> {
  const wrong: string[] = [];
  await Promise.all(Array.from({ length: CLIENTS }, async () => {
    using client = await connect(address);
    for (let round = 0; round < rounds; round++) {
      const number = requests++;
      const method = methods[number % methods.length];
      const target = `${path}/${number}`;
      const body = method === "POST" ? `Content-Length: 2\r\n\r\nhi` : "\r\n";
      await client.send(`${method} ${target} HTTP/1.1\r\nHost: a.test\r\n${body}`);
      const reply = await client.readResponse({ method });
      const isOwn = reply.field("x-target") === null || reply.field("x-target") === target;
      const isWhole = method === "HEAD" || (reply.text !== "" && reply.text.replaceAll(target, "") === "");
      if (reply.status !== 200 || !isOwn || !isWhole) wrong.push(`${method} ${target}: ${reply.status} ${reply.text}`);
    }
  }));
  return wrong;
}

/** Until requests have shared connections: whether they come at once, the machine decides, too. */
async function untilShared(seen: Seen, address: string, path: string, methods: readonly string[]): Promise<void> {
  const from = seen.shared;
  const endsAt = Date.now() + PATIENCE_MS;
  while (seen.shared === from) {
    assert(Date.now() < endsAt, `nothing on ${path} shared a connection`);
    assertEquals(await burst(address, path, methods), []);
  }
}

async function order(seen: Seen, address: string, path: string): Promise<void> {
  await untilShared(seen, address, path, ["GET", "HEAD", "OPTIONS", "POST", "GET"]);
  await untilShared(seen, address, `${path}/early`, ["GET"]);
  assertEquals(seen.wrong, []);
}

async function close(sluice: SluiceProcess, seen: Seen, address: string): Promise<void> {
  const from = sluice.events.length;
  const endsAt = Date.now() + PATIENCE_MS;
  const fellBack = () => sluice.events.slice(from).filter(({ event }) => event === "pipelining_fallback");
  while (fellBack().length < WORKERS) { // each finds out for itself
    assert(Date.now() < endsAt, `${fellBack().length} of ${WORKERS} fell back`);
    assertEquals(await burst(address, "/close", ["GET"]), []);
  }
  for (const { level, for_ms } of fellBack()) assertEquals([level, for_ms], ["warn", 60_000]);
  assertEquals(new Set(fellBack().map(({ worker }) => worker)).size, WORKERS);
  const { shared } = seen;
  assertEquals(await burst(address, "/close", ["GET"]), []);
  assertEquals(seen.shared, shared, "shares connections no more");
}

/** One that is never answered holds up those behind it for a moment only, and a client that leaves it hurts nobody. */
async function hang(seen: Seen, address: string): Promise<void> {
  await untilShared(seen, address, "/hang", ["GET"]);
  using client = await connect(address);
  await client.send("GET /hang/never/1 HTTP/1.1\r\nHost: a.test\r\n\r\n");
  assertEquals(await burst(address, "/hang", ["GET"]), []);
  client.reset();
  assertEquals(await burst(address, "/hang", ["GET"]), []);
}

/** Clients that leave while others are in line with them. */
async function leave(address: string): Promise<void> {
  const leaving = Array.from({ length: 6 }, async (_, index) => {
    const client = await connect(address);
    await client.send(`GET /order/left/${index} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    client.reset();
  });
  assertEquals(await burst(address, "/order", ["GET", "HEAD"]), []);
  await Promise.all(leaving);
  assertEquals(await burst(address, "/order", ["GET", "HEAD"]), []);
}

Deno.test("Pipelined requests get their own answers, whatever becomes of those beside them", async (t) => {
  const folder = await Deno.makeTempDir({ prefix: "sluice_test_" });
  const seen = { order: new Seen(), close: new Seen(), hang: new Seen(), tls: new Seen(), unix: new Seen() };
  const gate = new Gate();
  const { authority, localhost } = await testCertificates();
  const ca = `${folder}/ca.pem`;
  await Deno.writeTextFile(ca, authority.cert);
  await using plain = ScriptedBackend.start(answering(seen.order));
  await using closes = ScriptedBackend.start(closing(seen.close));
  await using hangs = ScriptedBackend.start(hanging(seen.hang, gate));
  await using tls = ScriptedBackend.start(answering(seen.tls), { tls: localhost });
  await using unix = ScriptedBackend.start(answering(seen.unix), { unixPath: `${folder}/b.sock` });
  const toml = (features: string) =>
    [
      `[features]\n${features}\n[log]\naccess = "off"\n`,
      ...ENGINES.map((engine) => listenerToml(engine, `engine = "${engine}"`)),
      upstreamToml("order", [plain.url], { keys: KEYS }),
      upstreamToml("close", [closes.url], { keys: KEYS }),
      upstreamToml("hang", [hangs.url], { keys: KEYS }),
      upstreamToml("tls", [tls.url], { keys: `${KEYS}\ntls.ca = "${ca}"` }),
      upstreamToml("unix", [unix.url], { keys: KEYS }),
    ].join("\n");
  await using sluice = await SluiceProcess.start(toml("pipelining = true"), { deadlineMs: PATIENCE_MS });
  for (const engine of ENGINES) {
    const address = sluice.address(engine);
    await step(t, `${engine}: in order, mixed with what shares nothing`, () => order(seen.order, address, "/order"));
    await step(t, `${engine}: over TLS`, () => order(seen.tls, address, "/tls"));
    await step(t, `${engine}: over a Unix socket`, () => order(seen.unix, address, "/unix"));
    await step(t, `${engine}: one that is never answered`, () => hang(seen.hang, address));
    await step(t, `${engine}: clients that leave`, () => leave(address));
  }
  await step(
    t,
    "a backend that takes one request at a time costs no request, and falls back",
    () => close(sluice, seen.close, sluice.address("wire")),
  );
  await step(t, "features.pipelining = false ends it, live, on the same connections", async () => {
    const connections = plain.connections.length;
    await reload(sluice, () => sluice.writeConfig(toml("pipelining = false")));
    const { shared } = seen.order;
    assertEquals(await burst(sluice.address("wire"), "/order", ["GET"]), []);
    assertEquals(seen.order.shared, shared);
    assert(plain.connections.length < connections + CLIENTS);
    await reload(sluice, () => sluice.writeConfig(toml("pipelining = true")));
    await untilShared(seen.order, sluice.address("wire"), "/order", ["GET"]);
  });
  gate.open();
  assertEquals(await sluice.stop(PATIENCE_MS), 0);
  for (const backend of [plain, closes, hangs, tls, unix]) assertEquals(backend.violations, []);
  await Deno.remove(folder, { recursive: true });
});
