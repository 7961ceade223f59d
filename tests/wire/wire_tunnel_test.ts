/** Upgrades through the wire engine: bytes both ways, whatever they mean. */

import { assert, assertEquals } from "../support/assert.ts";
import { answer, response, type Script, tunnelEcho } from "../support/backend_scripts.ts";
import type { RawClient } from "../support/raw_client.ts";
import { Gate } from "../support/waiting.ts";
import { Gateway, PATIENCE_MS, requestFor, type Site, wireOf } from "../support/gateway_stage.ts";

const SITES: readonly Site[] = [
  { name: "tunnel" },
  { name: "quiet", script: tunnelEcho("chat"), upstream: `timeouts.tunnel = "1s"` },
  { name: "plain" },
  { name: "uncollected", script: tunnelEcho("tcp"), upstream: `retry.body_buffer = "0B"` },
];

const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n";
const LENGTHY = ["Host: tunnel.test", "Connection: Upgrade", "Upgrade: chat"];
const CHAT = ["Connection: Upgrade", "Upgrade: chat"];

Deno.test("wire: tunnels", async (test) => {
  await using gateway = await Gateway.start({ engine: "wire", sites: SITES });
  await openingSteps(test, gateway);
  await methodSteps(test, gateway);
  await byteSteps(test, gateway);
  await endSteps(test, gateway);
  await refusalSteps(test, gateway);
  gateway.sluice.assertNoBugs();
});

async function open(gateway: Gateway, site = "tunnel", ...lines: string[]): Promise<RawClient> {
  const client = await gateway.connect();
  await client.send(requestFor(site, ...CHAT, ...lines));
  assertEquals((await client.readResponseHead()).status, 101);
  return client;
}

async function take(client: RawClient, text: string): Promise<void> {
  assertEquals(new TextDecoder().decode(await client.source.readExactly(text.length)), text);
}

async function openingSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("a WebSocket handshake passes as it is, extensions, protocols and all", async () => {
    gateway.backend("tunnel").use(async (exchange) => {
      await exchange.write(
        `${SWITCH}Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n` +
          "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n" +
          "Sec-WebSocket-Protocol: chat\r\nX-Kept: 1\r\n\r\n\x81\x05hello",
      );
      await exchange.wait(exchange.connection.closed);
    });
    const asked = [
      "Upgrade: websocket",
      "Connection: keep-alive, Upgrade",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other",
      "Sec-WebSocket-Protocol: mqtt, chat",
    ];
    using client = await gateway.connect();
    await client.send(requestFor("tunnel", ...asked));
    const head = await client.readResponseHead();
    const of = (name: string) =>
      head.fields.filter(([known]) => known.toLowerCase() === name).map(([, value]) => value);
    assertEquals([of("upgrade"), of("connection"), of("x-kept")], [["websocket"], ["upgrade"], ["1"]]);
    assertEquals(of("sec-websocket-extensions"), ["permessage-deflate; server_no_context_takeover"]);
    assertEquals([of("sec-websocket-accept").length, of("sec-websocket-protocol")], [1, ["chat"]]);
    // Frames of the backend come untouched, those behind its head first.
    assertEquals([...await client.source.readExactly(7)], [0x81, 5, 104, 101, 108, 108, 111]);
    const seen = gateway.seen("tunnel");
    for (const line of asked.slice(2)) assert(seen.head.includes(`\r\n${line}\r\n`), seen.head);
    assertEquals([seen.fieldLines("upgrade"), seen.fieldLines("connection")], [["websocket"], ["upgrade"]]);
  });

  await test.step("what the client sends behind its request is the beginning of the tunnel", async () => {
    gateway.backend("tunnel").use(tunnelEcho("chat"));
    using client = await gateway.connect();
    await client.send(requestFor("tunnel", ...CHAT) + "early");
    assertEquals((await client.readResponseHead()).status, 101);
    await take(client, "early");
    await client.send(" and late");
    await take(client, " and late");
  });
}

const BODY = `{"Detach":false,"Tty":false}`;

/** Reads the request whole, says what it was, and echoes. */
const bodyThenEcho: Script = async (exchange) => {
  await exchange.readBody();
  const { method, text } = exchange.request;
  await exchange.write(`${SWITCH}Upgrade: tcp\r\n\r\n${method} ${text};`);
  const { source } = exchange.connection;
  for (let piece = await source.readSome(64); piece !== null; piece = await source.readSome(64)) {
    await exchange.write(piece);
  }
  exchange.close();
};

async function methodSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  const upgrade = (length: number, protocol = "tcp") =>
    wireOf(
      "POST /exec HTTP/1.1",
      "Host: tunnel.test",
      "Connection: Upgrade",
      `Upgrade: ${protocol}`,
      `Content-Length: ${length}`,
    );

  await test.step("POST without content upgrades (kubectl exec)", async () => {
    gateway.backend("tunnel").use(tunnelEcho("SPDY/3.1"));
    using client = await gateway.connect();
    await client.send(upgrade(0, "SPDY/3.1") + "early");
    assertEquals((await client.readResponseHead({ method: "POST" })).status, 101);
    await take(client, "early");
    assertEquals(gateway.seen("tunnel").fieldLines("content-length"), ["0"]);
    assertEquals(gateway.seen("tunnel").fieldLines("upgrade"), ["spdy/3.1"]);
  });

  for (
    const [name, pieces] of [
      ["in one piece", [upgrade(BODY.length) + BODY + "early"]],
      ["behind its head", [upgrade(BODY.length), BODY + "early"]],
      ["byte by byte", [upgrade(BODY.length), ...BODY, ..."early"]],
    ] as const
  ) {
    await test.step(`a small body goes before the switch, ${name} (docker exec)`, async () => {
      gateway.backend("tunnel").use(bodyThenEcho);
      using client = await gateway.connect();
      for (const piece of pieces) await client.send(piece);
      assertEquals((await client.readResponseHead({ method: "POST" })).status, 101);
      await take(client, `POST ${BODY};early`);
      await client.send(" and late");
      await take(client, " and late");
    });
  }

  await test.step("a switch before the body was there is a 502", async () => {
    using client = await gateway.connect();
    await client.send(upgrade(10).replace("tunnel.test", "uncollected.test") + "half");
    assertEquals((await client.readResponse({ method: "POST" })).status, 502);
  });

  await test.step("a body that is declined with is followed by HTTP", async () => {
    gateway.backend("tunnel").use(answer(response(409, "no")));
    using client = await gateway.connect();
    await client.send(upgrade(BODY.length) + BODY + requestFor("plain"));
    assertEquals((await client.readResponse({ method: "POST" })).status, 409);
    assertEquals(gateway.seen("tunnel").text, BODY);
    assertEquals((await client.readResponse()).status, 200);
  });
}

async function byteSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("every byte passes, in large amounts, both ways at once", async () => {
    gateway.backend("tunnel").use(tunnelEcho("chat"));
    using client = await open(gateway);
    const bytes = new Uint8Array(3_000_000).map((_, at) => (at * 31) ^ (at >> 8));
    const sending = client.send(bytes);
    const echoed = await client.source.readExactly(bytes.length);
    await sending;
    assert(echoed.every((byte, at) => byte === bytes[at]));
  });

  await test.step("what looks like a request in a tunnel is none", async () => {
    const before = gateway.backend("plain").requests.length;
    using client = await open(gateway);
    await client.send(requestFor("plain"));
    await take(client, requestFor("plain"));
    assertEquals(gateway.backend("plain").requests.length, before);
  });
}

async function endSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("the client ends its side: the backend reads the end, and its answer still comes", async () => {
    gateway.backend("tunnel").use(async (exchange) => {
      await exchange.write(`${SWITCH}Upgrade: chat\r\n\r\n`);
      const { source } = exchange.connection;
      let text = "";
      for (let piece = await source.readSome(64); piece !== null; piece = await source.readSome(64)) {
        text += new TextDecoder().decode(piece);
      }
      await exchange.write(`got ${text}`);
      exchange.close();
    });
    using client = await open(gateway);
    await client.send("all");
    await client.closeWrite();
    assertEquals(new TextDecoder().decode(await client.readUntilClose()), "got all");
  });

  await test.step("the backend ends its side: the client reads the end, and may still send", async () => {
    const received = Promise.withResolvers<string>();
    gateway.backend("tunnel").use(async (exchange) => {
      await exchange.write(`${SWITCH}Upgrade: chat\r\n\r\nbye`);
      await exchange.connection.closeWrite();
      received.resolve(new TextDecoder().decode(await exchange.connection.source.readExactly(4)));
    });
    using client = await open(gateway);
    assertEquals(new TextDecoder().decode(await client.readUntilClose()), "bye");
    await client.send("late");
    assertEquals(await received.promise, "late");
    client.close();
    await gateway.waitForBackendClosed("tunnel");
  });

  await test.step("a client that resets ends the tunnel", async () => {
    gateway.backend("tunnel").use(tunnelEcho("chat"));
    using client = await open(gateway, "tunnel");
    client.reset();
    await gateway.waitForBackendClosed("tunnel");
  });

  await test.step("a backend that resets ends the tunnel", async () => {
    const agreed = new Gate();
    gateway.backend("tunnel").use(async (exchange) => {
      await exchange.write(`${SWITCH}Upgrade: chat\r\n\r\n`);
      await exchange.wait(agreed.opened);
      exchange.reset();
    });
    using client = await open(gateway, "tunnel");
    agreed.open();
    await client.waitForClose();
  });

  await test.step("timeouts.tunnel: silence both ways ends it, traffic does not", async () => {
    using client = await open(gateway, "quiet");
    for (const text of "12345678") {
      await client.send(text);
      await take(client, text);
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    await client.waitForClose();
    await gateway.waitForBackendClosed("quiet");
    await gateway.sluice.waitForAccess(({ error }) => error === "tunnel_timeout");
  });
}

interface RefusalRow {
  readonly name: string;
  readonly lines: readonly string[];
  readonly script: Script;
  readonly status: number;
  /** What the backend is asked for. */
  readonly upgrade: string | null;
}

const REFUSAL_ROWS: readonly RefusalRow[] = [
  {
    name: "a backend that declines answers in HTTP",
    lines: CHAT,
    script: answer(response(200, "no")),
    status: 200,
    upgrade: "chat",
  },
  {
    name: "a backend that refuses answers in HTTP",
    lines: CHAT,
    script: answer(response(403, "no")),
    status: 403,
    upgrade: "chat",
  },
  {
    name: "426 passes",
    lines: CHAT,
    script: answer(response(426, "no", { fields: [["Upgrade", "other"]] })),
    status: 426,
    upgrade: "chat",
  },
  {
    name: "a switch to another protocol than was asked for is a 502",
    lines: CHAT,
    script: answer(`${SWITCH}Upgrade: other\r\n\r\n`),
    status: 502,
    upgrade: "chat",
  },
  {
    name: "a switch that nobody asked for is a 502",
    lines: [],
    script: answer(`${SWITCH}Upgrade: chat\r\n\r\n`),
    status: 502,
    upgrade: null,
  },
  {
    name: "Upgrade that Connection does not name is none (RFC 9110 §7.8)",
    lines: ["Upgrade: chat"],
    script: answer(),
    status: 200,
    upgrade: null,
  },
  {
    name: "h2c is not passed on: requests would go by unseen",
    lines: ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"],
    script: answer(),
    status: 200,
    upgrade: null,
  },
  {
    name: "H2C among others is not passed on",
    lines: ["Connection: Upgrade", "Upgrade: chat, H2C"],
    script: answer(),
    status: 200,
    upgrade: null,
  },
  {
    name: "h2c in a line of its own is not passed on",
    lines: ["Connection: Upgrade", "Upgrade: chat", "Upgrade: h2c"],
    script: answer(),
    status: 200,
    upgrade: null,
  },
];

async function refusalSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (const { name, lines, script, status, upgrade } of REFUSAL_ROWS) {
    await test.step(name, async () => {
      gateway.backend("tunnel").use(script);
      using client = await gateway.connect();
      await client.send(requestFor("tunnel", ...lines) + requestFor("plain"));
      assertEquals((await client.readResponse()).status, status);
      assertEquals(gateway.seen("tunnel").field("upgrade"), upgrade);
      assertEquals(gateway.seen("tunnel").field("http2-settings"), null);
      assertEquals((await client.readResponse()).status, 200, "the connection goes on in HTTP");
    });
  }

  for (
    const [name, wire] of [
      ["a body of unknown length", wireOf("POST / HTTP/1.1", ...LENGTHY, "Transfer-Encoding: chunked") + "0\r\n\r\n"],
      ["a large body", wireOf("POST / HTTP/1.1", ...LENGTHY, "Content-Length: 70000") + "x".repeat(70_000)],
      ["HTTP/1.0", wireOf("GET / HTTP/1.0", "Host: tunnel.test", ...CHAT)],
    ]
  ) {
    await test.step(`${name} does not upgrade`, async () => {
      gateway.backend("tunnel").use(answer());
      const before = gateway.backend("tunnel").requests.length;
      assertEquals((await gateway.send(wire)).status, 200);
      await gateway.backend("tunnel").waitForRequests(before + 1, PATIENCE_MS);
      assertEquals(gateway.seen("tunnel").field("upgrade"), null);
    });
  }
}

Deno.test("serve: Deno refuses an upgrade with a length; without one it is an ordinary request", async () => {
  await using gateway = await Gateway.start({ engine: "serve", sites: [{ name: "tunnel", script: answer() }] });
  const lines = ["Host: tunnel.test", "Connection: Upgrade", "Upgrade: tcp"];
  assertEquals((await gateway.send(wireOf("POST / HTTP/1.1", ...lines, "Content-Length: 0"))).status, 400);
  assertEquals((await gateway.send(wireOf("POST / HTTP/1.1", ...lines))).status, 200);
  assertEquals(gateway.backend("tunnel").requests.map((request) => request.field("upgrade")), [null]);
});
