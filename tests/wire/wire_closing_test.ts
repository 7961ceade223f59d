/** How connections of the wire engine end: with their answer, and with the truth about it. Over TCP, TLS and a socket. */

import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { answer, chunk, closeMidway, response, tunnelEcho } from "../support/backend_scripts.ts";
import { UnexpectedEnd } from "../support/byte_source.ts";
import { testCertificates } from "../support/certificates.ts";
import { RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { Gate } from "../support/waiting.ts";
import { accessOf, connect, listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";

/** An exchange that takes so long watches its client, which has much longer than that on a busy machine. */
const WATCHED_MS = 100;
const WIRE = `engine = "wire"\nlimits = { half_close = "20s" }`;
const TLS = `${WIRE}\ntls = { cert = "site.pem", key = "site.key" }`;

interface Stage {
  readonly sluice: SluiceProcess;
  readonly backend: ScriptedBackend;
  readonly label: string;
  dial(): Promise<RawClient>;
}

const get = (target: string, ...lines: string[]) =>
  [`GET ${target} HTTP/1.1`, "Host: a", ...lines, "", ""].join("\r\n");

let asked = 0;
/** Each exchange has a target of its own, to be found in the access log. */
const next = () => `/app/${++asked}`;

async function halfClosed({ backend, dial }: Stage): Promise<void> {
  const gate = new Gate();
  const before = backend.requests.length;
  backend.use(async (exchange) => {
    await exchange.wait(gate.opened);
    await exchange.wait(WATCHED_MS);
    await exchange.write(response(200, "at last"));
  });
  using client = await dial();
  await client.send(get(next()));
  await client.closeWrite();
  await backend.waitForRequests(before + 1, PATIENCE_MS);
  gate.open();
  const got = await client.readResponse();
  assertEquals([got.status, got.text], [200, "at last"]);
  await client.waitForClose();
}

async function halfClosedStream({ backend, dial }: Stage): Promise<void> {
  const gate = new Gate();
  backend.use(async (exchange) => {
    await exchange.write(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + new TextDecoder().decode(chunk("one ")),
    );
    await exchange.wait(gate.opened);
    await exchange.wait(WATCHED_MS);
    await exchange.write(chunk("two"));
    await exchange.write("0\r\n\r\n");
  });
  using client = await dial();
  await client.send(get(next()));
  const head = await client.readResponseHead();
  await client.closeWrite();
  gate.open();
  assertEquals(new TextDecoder().decode(await client.bodyOf(head).readAll()), "one two");
}

async function brokenOff({ sluice, backend, dial }: Stage): Promise<void> {
  for (
    const [framing, beginning] of [
      ["Content-Length: 10", "hello"],
      ["Transfer-Encoding: chunked", "5\r\nhello\r\n"],
      ["Transfer-Encoding: chunked", "a\r\nhello"],
      ["Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n"],
    ]
  ) {
    backend.use(closeMidway(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n${beginning}`));
    using client = await dial();
    const target = next();
    await client.send(get(target) + get(target));
    const head = await client.readResponseHead();
    const body = client.bodyOf(head);
    assertEquals(new TextDecoder().decode((await body.read())!), "hello");
    await assertRejects(() => body.readAll(), UnexpectedEnd);
    assertEquals((await accessOf(sluice, target)).error, "response_incomplete");
  }
}

async function earlyRefusal({ dial }: Stage): Promise<void> {
  using client = await dial();
  await client.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
  const sending = (async () => {
    for (let sent = 0; sent < 10; sent++) await client.send("y".repeat(50_000));
    await client.closeWrite();
  })();
  assertEquals((await client.readResponse()).status, 400);
  await sending;
  await client.waitForClose();
}

async function slowBytes({ backend, dial }: Stage): Promise<void> {
  backend.use(async (exchange) => {
    await exchange.readBody();
    await exchange.write(response(200, exchange.request.text));
  });
  using client = await dial();
  for (const byte of `POST ${next()} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`) await client.send(byte);
  assertEquals((await client.readResponse()).text, "abc");
}

const STEPS: ReadonlyArray<readonly [name: string, work: (stage: Stage) => Promise<void>]> = [
  ["a client that has ended its side gets an answer that takes long", halfClosed],
  ["a client that ends its side in a response gets the rest", halfClosedStream],
  ["a response that breaks off ends the connection without a clean end", brokenOff],
  ["a refusal is read by a client that goes on sending", earlyRefusal],
  ["a request that comes byte by byte is served", slowBytes],
];

Deno.test("wire: connections over TCP, TLS and a Unix socket end well", async (t) => {
  const { authority, localhost } = await testCertificates();
  const folder = await Deno.makeTempDir({ prefix: "sluice_test_" });
  try {
    await using backend = ScriptedBackend.start();
    await using sluice = await SluiceProcess.start(
      listenerToml("tcp", WIRE) + listenerToml("tls", TLS) +
        `[[listeners]]\nname = "unix"\naddress = "unix:${folder}/edge.sock"\n${WIRE}\n` +
        upstreamToml("app", [backend.url]),
      { deadlineMs: PATIENCE_MS, files: { "site.pem": localhost.cert, "site.key": localhost.key } },
    );
    const tls = { caCerts: [authority.cert], hostname: "localhost" };
    for (const label of ["tcp", "tls", "unix"]) {
      const dial = () => connect(sluice.address(label), label === "tls" ? tls : undefined);
      for (const [name, work] of STEPS) {
        await step(t, `${label}: ${name}`, () => work({ sluice, backend, label, dial }));
      }
    }
    await step(t, "tls: ALPN agrees on http/1.1, and on nothing else", async () => {
      const offer = (alpnProtocols: string[]) =>
        RawClient.connect(sluice.address("tls"), { deadlineMs: PATIENCE_MS, tls: { ...tls, alpnProtocols } });
      backend.use(answer());
      {
        using client = await offer(["h2", "http/1.1"]);
        await client.send(get(next()));
        assertEquals((await client.readResponse()).status, 200);
      }
      await assertRejects(async () => {
        using client = await offer(["h2"]);
        await client.send(get(next()));
        await client.readResponse();
      }, Error);
    });
    await step(t, "tls: what is no handshake ends its own connection alone", async () => {
      using client = await connect(sluice.address("tls"));
      await client.send(get(next()));
      await client.readUntilClose().catch(() => {}); // an alert, and the end
      assert(client.source.isEnded);
      using other = await connect(sluice.address("tls"), tls);
      await other.send(get(next()));
      assertEquals((await other.readResponse()).status, 200);
    });
    assertEquals(await sluice.stop(PATIENCE_MS), 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("wire: a drain closes what is idle and answers what is under way with Connection: close", async () => {
  const gate = new Gate();
  await using backend = ScriptedBackend.start(async (exchange) => {
    if (exchange.request.target === "/app/tunnel") return await tunnelEcho("chat")(exchange);
    await exchange.wait(gate.opened);
    await exchange.write(response(200, "in time"));
  });
  await using sluice = await SluiceProcess.start(
    `[server]\ndrain = "3s"\n` + listenerToml("web", WIRE) + upstreamToml("app", [backend.url]),
    { deadlineMs: PATIENCE_MS },
  );
  const web = sluice.address("web");
  using fresh = await connect(web);
  using idle = await connect(web);
  await idle.send("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
  assertEquals((await idle.readResponse()).keepAlive, true);
  using busy = await connect(web);
  await busy.send(get("/app/busy"));
  using pipelined = await connect(web);
  await pipelined.send(get("/app/first") + get("/app/second"));
  await backend.waitForRequests(2, PATIENCE_MS);
  using tunnel = await connect(web);
  await tunnel.send(get("/app/tunnel", "Connection: upgrade", "Upgrade: chat"));
  assertEquals((await tunnel.readResponseHead()).status, 101);

  sluice.signal("SIGTERM");
  await sluice.waitForEvent(({ event }) => event === "draining");
  await Promise.all([fresh.waitForClose(), idle.waitForClose()]);
  gate.open();
  for (const client of [busy, pipelined]) {
    const got = await client.readResponse();
    assertEquals([got.text, got.keepAlive], ["in time", false]);
    await client.closeWrite();
    await client.waitForClose();
  }
  // The tunnel has the time that is left, and no more.
  await tunnel.send("still");
  assertEquals(new TextDecoder().decode(await tunnel.source.readExactly(5)), "still");
  await tunnel.waitForClose();
  assertEquals(await sluice.waitForExit(PATIENCE_MS), 0);
  assertEquals(backend.requests.map(({ target }) => target).toSorted(), ["/app/busy", "/app/first", "/app/tunnel"]);
  sluice.assertNoBugs();
});
