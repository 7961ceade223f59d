/** The scripted backend: what judges the proxy has to be right first. */

import { assertEquals, assertRejects, assertStringIncludes } from "./assert.ts";
import {
  answer,
  answerAfter,
  answerEarly,
  answerThenJunk,
  chunk,
  closeBeforeHead,
  closeDelimited,
  closeMidway,
  echo,
  echoOf,
  hang,
  resetBeforeHead,
  resetMidway,
  response,
  tunnelEcho,
} from "./backend_scripts.ts";
import { UnexpectedEnd } from "./byte_source.ts";
import { testCertificates } from "./certificates.ts";
import { CARELESS } from "./lenient_parser.ts";
import { get, RawClient } from "./raw_client.ts";
import { refusedPort, ScriptedBackend } from "./scripted_backend.ts";
import { SseBackend } from "./sse_backend.ts";
import { Gate } from "./waiting.ts";
import { concat, toBytes } from "./wire_bytes.ts";
import { WsBackend } from "./ws_backend.ts";
import { WsClient } from "./ws_client.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

Deno.test("ScriptedBackend.start() gives each request its script, the last one for ever", async () => {
  await using backend = ScriptedBackend.start([answer(response(200, "a")), answer(response(200, "b"))]);
  const texts: string[] = [];
  for (const _round of [1, 2, 3]) texts.push((await get(backend.address, "/")).text);
  assertEquals(texts, ["a", "b", "b"]);
  await backend.waitForConnectionsClosed();
  assertEquals(backend.describe(), "backend: 3 requests, 3 connections (0 open)");
});

Deno.test("echo() tells what came, byte for byte", async () => {
  await using backend = ScriptedBackend.start(echo(), { name: "b1" });
  using client = await RawClient.connect(backend.address);
  const head = "POST /%2e/?q=\xe9 HTTP/1.1\r\nhOsT: a\r\nX-A: 1\r\nX-A: \xff\r\nTransfer-Encoding: chunked\r\n\r\n";
  await client.send(concat([toBytes(head), chunk("ab"), chunk("c"), toBytes("0\r\nT: 1\r\n\r\n")]));
  const seen = echoOf(await client.readResponse());
  assertEquals(seen.backend, "b1");
  assertEquals(seen.method, "POST");
  assertEquals(
    seen.fields.slice(0, 3),
    [["hOsT", "a"], ["X-A", "1"], ["X-A", "\xff"]],
  );
  assertEquals(seen.bodyLength, 3);
  assertEquals(seen.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assertEquals(seen.trailers, [["T", "1"]]);
  assertEquals(backend.requests[0].head, head);
  assertEquals(backend.requests[0].text, "abc");
  assertEquals(backend.requests[0].fieldLines("x-a"), ["1", "\xff"]);
});

Deno.test("ScriptedBackend serves several requests of one connection, pipelined too", async () => {
  await using backend = ScriptedBackend.start();
  using client = await RawClient.connect(backend.address);
  await client.send(GET + GET.replace("/", "/second"));
  assertEquals(echoOf(await client.readResponse()).target, "/");
  assertEquals(echoOf(await client.readResponse()).target, "/second");
  assertEquals(backend.connections.length, 1);
  assertEquals(backend.openConnections, 1);
});

const CLOSES = [
  { name: "closeBeforeHead() ends without a byte", script: closeBeforeHead(), error: "", received: "" },
  {
    name: "closeMidway() ends cleanly after its bytes",
    script: closeMidway("HTTP/1.1 2"),
    error: "",
    received: "HTTP/1.1 2",
  },
  { name: "resetBeforeHead() ends with RST", script: resetBeforeHead(), error: "ConnectionReset", received: "" },
];

for (const { name, script, error, received } of CLOSES) {
  Deno.test(name, async () => {
    await using backend = ScriptedBackend.start(script);
    using client = await RawClient.connect(backend.address);
    await client.send(GET);
    while (await client.source.fill());
    assertEquals(client.source.failure, error);
    assertEquals(client.source.peek(), toBytes(received));
    await backend.waitForConnectionsClosed();
  });
}

Deno.test("resetMidway() resets after its bytes were seen", async () => {
  const seen = new Gate();
  await using backend = ScriptedBackend.start(
    resetMidway("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", seen.opened),
  );
  using client = await RawClient.connect(backend.address);
  await client.send(GET);
  const head = await client.readResponseHead();
  const body = client.bodyOf(head);
  assertEquals(await body.read(), toBytes("abc"));
  seen.open();
  await assertRejects(() => body.read(), UnexpectedEnd, "ConnectionReset");
});

Deno.test("resetBeforeHead() resets TLS too", async () => {
  const { authority, localhost } = await testCertificates();
  await using backend = ScriptedBackend.start(resetBeforeHead(), { tls: localhost });
  const options = { tls: { caCerts: [authority.cert], hostname: "localhost" } };
  await assertRejects(() => get(backend.address, "/", {}, options), UnexpectedEnd, "ConnectionReset");
});

Deno.test("RawClient.reset() is seen by the backend as RST", async () => {
  await using backend = ScriptedBackend.start(hang());
  const client = await RawClient.connect(backend.address);
  await client.send(GET);
  await backend.waitForRequests(1);
  client.reset();
  await backend.waitForConnectionsClosed();
  assertEquals(backend.connections[0].source.failure, "ConnectionReset");
});

Deno.test("closeDelimited() gives a body that ends with the connection", async () => {
  await using backend = ScriptedBackend.start(closeDelimited("until the end"));
  const reply = await get(backend.address, "/");
  assertEquals([reply.version, reply.framing, reply.text], ["1.0", "until_close", "until the end"]);
});

Deno.test("answerAfter() waits for its gate", async () => {
  const gate = new Gate();
  await using backend = ScriptedBackend.start(answerAfter(gate.opened));
  using client = await RawClient.connect(backend.address);
  await client.send(GET);
  await backend.waitForRequests(1);
  assertEquals(client.source.length, 0);
  gate.open();
  assertEquals((await client.readResponse()).text, "ok");
});

Deno.test("answerEarly() answers before the body, and reads it afterwards", async () => {
  await using backend = ScriptedBackend.start([answerEarly(), echo()]);
  using client = await RawClient.connect(backend.address);
  await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
  assertEquals((await client.readResponse()).status, 413);
  assertEquals(backend.requests[0].isBodyComplete, false);
  await client.send(`cd${GET}`);
  assertEquals((await client.readResponse()).status, 200);
  assertEquals(backend.requests[0].text, "abcd");
});

Deno.test("answerThenJunk() sends junk when it is told to", async () => {
  const gate = new Gate();
  await using backend = ScriptedBackend.start(answerThenJunk("junk", { until: gate.opened }));
  using client = await RawClient.connect(backend.address);
  await client.send(GET);
  await client.readResponse();
  assertEquals(client.source.length, 0);
  gate.open();
  assertEquals(await client.source.readExactly(4), toBytes("junk"));
});

Deno.test("hang() notices that the client left", async () => {
  await using backend = ScriptedBackend.start(hang());
  const client = await RawClient.connect(backend.address);
  await client.send(GET);
  await backend.waitForRequests(1);
  assertEquals(await client.isClosed(20), false);
  assertEquals(backend.openConnections, 1);
  client.close();
  await backend.waitForConnectionsClosed();
});

Deno.test("tunnelEcho() switches and sends every byte back", async () => {
  await using backend = ScriptedBackend.start(tunnelEcho());
  using client = await RawClient.connect(backend.address);
  await client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
  assertEquals((await client.readResponse()).status, 101);
  await client.send("\x00\xff");
  assertEquals(await client.source.readExactly(2), toBytes("\x00\xff"));
  await client.closeWrite();
  await client.waitForClose();
});

Deno.test("pauseReading() holds the sender up", async () => {
  const resume = new Gate();
  await using backend = ScriptedBackend.start(async (exchange) => {
    exchange.connection.pauseReading();
    await exchange.wait(resume.opened);
    exchange.connection.resumeReading();
    await echo()(exchange);
  });
  using client = await RawClient.connect(backend.address);
  const length = 16 * 1024 * 1024;
  await client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`);
  await backend.waitForRequests(1);
  let isSent = false;
  const sending = client.send(new Uint8Array(length)).then(() => isSent = true);
  assertEquals(await client.isClosed(50), false);
  assertEquals(isSent, false);
  resume.open();
  await sending;
  assertEquals(echoOf(await client.readResponse()).bodyLength, length);
});

Deno.test("ScriptedBackend refuses what is malformed and says so", async () => {
  await using backend = ScriptedBackend.start();
  using client = await RawClient.connect(backend.address);
  await client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  assertEquals((await client.readResponse()).status, 400);
  assertEquals(backend.requests.length, 0);
  assertStringIncludes(backend.violations.join(), "Ambiguous framing");
});

Deno.test("ScriptedBackend throws at its end what a script threw", async () => {
  const backend = ScriptedBackend.start(() => {
    throw new Error("from the script");
  });
  using client = await RawClient.connect(backend.address);
  await client.send(GET);
  await client.waitForClose();
  const error = await assertRejects(() => backend[Symbol.asyncDispose](), AggregateError);
  assertStringIncludes(String(error.errors[0]), "from the script");
});

Deno.test("ScriptedBackend disposes with a script that waits for what never comes", async () => {
  const backend = ScriptedBackend.start(() => new Promise(() => {}));
  using client = await RawClient.connect(backend.address);
  await client.send(GET);
  await backend.waitForRequests(1);
  await backend[Symbol.asyncDispose]();
  await client.waitForClose();
});

Deno.test("onConnect may close before anything is read", async () => {
  await using backend = ScriptedBackend.start(echo(), { onConnect: (connection) => connection.close() });
  using client = await RawClient.connect(backend.address);
  await client.waitForClose();
  assertEquals(backend.connections.length, 1);
});

const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
const LENIENT = [
  {
    name: "Content-Length over chunked",
    options: CARELESS,
    head: "Content-Length: 5\r\nTransfer-Encoding: chunked",
    body: `0\r\n\r\n${SMUGGLED}`,
  },
  {
    name: "chunked over Content-Length",
    options: { ...CARELESS, prefers: "transfer-encoding" as const },
    head: `Content-Length: ${5 + SMUGGLED.length}\r\nTransfer-Encoding: chunked`,
    body: `0\r\n\r\n${SMUGGLED}`,
  },
  {
    name: "a blank before the colon",
    options: CARELESS,
    head: "Transfer-Encoding : chunked",
    body: `0\r\n\r\n${SMUGGLED}`,
  },
  { name: "bare LF", options: CARELESS, head: "X: y\nContent-Length: 2", body: `ab${SMUGGLED.replaceAll("\r", "")}` },
];

for (const { name, options, head, body } of LENIENT) {
  Deno.test(`lenient ScriptedBackend executes what is smuggled by ${name}`, async () => {
    await using backend = ScriptedBackend.start(echo(), { lenient: options });
    using client = await RawClient.connect(backend.address);
    await client.send(`POST / HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n${body}`);
    await backend.waitForRequests(2);
    assertEquals(backend.requests.map(({ target }) => target), ["/", "/smuggled"]);
  });
}

Deno.test("refusedPort() refuses, and takes a backend afterwards", async () => {
  const refused = await refusedPort();
  await assertRejects(() => RawClient.connect(`127.0.0.1:${refused.port}`), Deno.errors.ConnectionRefused);
  refused[Symbol.dispose]();
  await using backend = ScriptedBackend.start(echo(), { port: refused.port });
  assertEquals((await get(backend.address, "/")).status, 200);
});

Deno.test("ScriptedBackend listens on a Unix socket", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using backend = ScriptedBackend.start(echo(), { unixPath: `${folder}/b.sock` });
    assertEquals(echoOf(await get(backend.address, "/u")).target, "/u");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("WsBackend echoes, chooses a sub-protocol and closes as told", async () => {
  await using backend = WsBackend.start({ protocols: ["v2"] });
  await using client = await WsClient.open(`ws://${backend.address}/chat?x=1`, ["v1", "v2"]);
  assertEquals(client.protocol, "v2");
  client.send("text");
  client.send(Uint8Array.of(0, 255));
  assertEquals(await client.next(), "text");
  assertEquals(await client.next(), Uint8Array.of(0, 255));
  client.send("close 4001 enough");
  assertEquals(await client.waitForClose(), { code: 4001, reason: "enough" });
  assertEquals(backend.openings[0].target, "/chat?x=1");
});

Deno.test("SseBackend sends events when told", async () => {
  await using sse = SseBackend.start();
  using client = await RawClient.connect(sse.backend.address);
  await client.send(GET);
  const body = client.bodyOf(await client.readResponseHead());
  await sse.emit("one\ntwo");
  assertEquals(await body.read(), toBytes("data: one\ndata: two\n\n"));
  sse.end();
  assertEquals(await body.read(), null);
});
