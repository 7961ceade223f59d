/** What the wire engine passes on, byte by byte: order and case, interim responses, trailers, HTTP/1.0, pipelines. */

import { assert, assertEquals } from "../support/assert.ts";
import { answer, chunk, informational, response, type Script } from "../support/backend_scripts.ts";
import { Gate } from "../support/waiting.ts";
import { Gateway, PATIENCE_MS, requestFor, type Site, wireOf } from "../support/gateway_stage.ts";

/** More than is collected before a backend is asked. */
const LARGE = 100_000;
const LARGE_LENGTH = `Content-Length: ${LARGE}`;

const CHUNKED = "Transfer-Encoding: chunked";

const nameTarget: Script = async (exchange) => {
  await exchange.readBody();
  const { method, target, text } = exchange.request;
  await exchange.write(
    method === "HEAD" ? response(200, "", { framing: "none" }) : response(200, `${target} ${text}`),
  );
};

const SITES: readonly Site[] = [
  { name: "named", script: nameTarget },
  { name: "plain" },
  { name: "any" },
  { name: "expect" },
  { name: "hinted", route: 'response_headers = { remove = ["x-secret"], set = { "x-set" = "ours" } }' },
  {
    name: "edited",
    script: async (exchange) => {
      await exchange.readBody();
      const fields = [["Connection", "X-Nom"]] as const;
      const trailers = [["X-Nom", "1"], ["X-Secret", "2"], ["X-Set", "3"], ["X-Sum", "4"]] as const;
      await exchange.write(response(200, exchange.request.text, { framing: "chunked", fields, trailers }));
    },
    route: 'request_headers = { remove = ["x-internal"], set = { "x-user" = "nobody" } }\n' +
      'response_headers = { remove = ["x-secret"], set = { "x-set" = "ours" } }',
  },
];

Deno.test("wire: messages", async (test) => {
  await using gateway = await Gateway.start({ engine: "wire", sites: SITES });
  await fieldSteps(test, gateway);
  await repeatedSteps(test, gateway);
  await interimSteps(test, gateway);
  await trailerSteps(test, gateway);
  await oldClientSteps(test, gateway);
  await pipelineSteps(test, gateway);
  await bodilessSteps(test, gateway);
  gateway.sluice.assertNoBugs();
});

async function fieldSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("fields keep order, case and lines towards the backend", async () => {
    const lines = ["X-bEE: 2", "aCCept: */*", "X-A:   spaced out ", "x-bee: 3", "Cookie: a=1", "Cookie: b=2"];
    await gateway.send(requestFor("plain", lines[0], "Connection: x-gone", "X-Gone: 1", ...lines.slice(1)));
    const { head } = gateway.seen("plain");
    const passed = head.split("\r\n").filter((line) => lines.includes(line));
    assertEquals(passed, lines);
  });

  await test.step("fields keep order, case and lines towards the client, and a Date is added once", async () => {
    gateway.backend("any").use(answer(
      "HTTP/1.1 200 OK\r\nX-bEE: 2\r\nSeT-cookie: a=1\r\nKeep-Alive: 5\r\nx-bee: 3\r\nContent-Length: 2\r\nSet-Cookie: b\r\n\r\nok",
    ));
    const got = await gateway.send(requestFor("any"));
    const names = got.fields.map(([name, value]) => `${name}: ${value}`).filter((line) => !line.startsWith("date: "));
    assertEquals(names, ["X-bEE: 2", "SeT-cookie: a=1", "x-bee: 3", "Set-Cookie: b", "content-length: 2"]);
    assertEquals(got.fieldLines("date").length, 1);
  });

  for (
    const [method, framing, body] of [["GET", "Content-Length: 5", "hello"], [
      "GET",
      CHUNKED,
      "5\r\nhello\r\n0\r\n\r\n",
    ]]
  ) {
    await test.step(`a ${method} with a body (${framing}) passes with it`, async () => {
      const got = await gateway.send(wireOf(`${method} /b HTTP/1.1`, "Host: named.test", framing) + body);
      assertEquals(got.text, "/b hello");
    });
  }

  await test.step("a head and a body that come byte by byte", async () => {
    using client = await gateway.connect();
    const wire = wireOf("POST /slow HTTP/1.1", "Host: named.test", CHUNKED, "X-A: 1") +
      "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n";
    for (const byte of wire) await client.send(byte);
    assertEquals((await client.readResponse()).text, "/slow abcde");
    assertEquals(gateway.seen("named").trailers, [["X-T", "1"]]);
  });
}

/** Each differs from the one before it by little. */
const REPEATED: readonly (readonly string[])[] = [
  ["X-A: 1", "Cookie: a=1", "X-Internal: 1"],
  ["X-A: 2", "Cookie: a=1", "X-Internal: 1"],
  ["X-A: 2", "Connection: X-A", "X-Internal: 1"],
  ["X-A: 2", "Connection: X-B", "X-Internal: 1"],
  ["X-A: 2", "X-Forwarded-For: 10.0.0.1", "TE: trailers"],
];

async function repeatedSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  const linesOf = (head: string) => head.split("\r\n").filter((line) => !/^x-request-id:/i.test(line));
  for (const site of ["plain", "edited"]) {
    await test.step(`fields that come again on a connection do what they do on a new one (${site})`, async () => {
      using client = await gateway.connect();
      for (const lines of REPEATED) {
        for (let times = 1; times <= 4; times++) {
          const wire = wireOf(`GET /${times} HTTP/1.1`, `Host: ${site}.test`, ...lines);
          await client.send(wire);
          const again = await client.readResponse();
          const seenAgain = linesOf(gateway.seen(site).head);
          const first = await gateway.send(wire);
          assertEquals(seenAgain, linesOf(gateway.seen(site).head), `${lines}, ${times} times`);
          assertEquals(again.status, first.status);
          const fixed = ({ fields }: typeof first) => fields.filter(([name]) => !/^(date|content-length)$/.test(name));
          assertEquals(fixed(again), fixed(first));
        }
      }
    });
  }
}

async function interimSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  const hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X-Hop\r\nX-Hop: 1";
  await test.step("103 passes before the response is there, less what is hop-by-hop (RFC 8297)", async () => {
    // What Connection named in it passed.
    const seen = new Gate();
    gateway.backend("any").use(async (exchange) => {
      await exchange.write(`${hints}\r\n\r\n`);
      await exchange.wait(seen.opened);
      await exchange.write(response(200, "ok"));
    });
    using client = await gateway.connect();
    await client.send(requestFor("any"));
    const early = await client.readResponseHead();
    assertEquals([early.status, early.fields], [103, [["Link", "</a.css>; rel=preload"]]]);
    seen.open();
    assertEquals((await client.readResponse()).text, "ok");
  });

  await test.step("several 1xx pass in order, and the connection goes on", async () => {
    gateway.backend("any").use(informational(["HTTP/1.1 102 Processing", hints, "HTTP/1.1 102 Processing"]));
    using client = await gateway.connect();
    for (const _ of "12") {
      await client.send(requestFor("any"));
      const got = await client.readResponse();
      assertEquals([got.text, got.informational.map(({ status }) => status)], ["ok", [102, 103, 102]]);
    }
  });

  await test.step("1xx lose what the route takes away, and get nothing that it adds", async () => {
    gateway.backend("hinted").use(
      informational(["HTTP/1.1 103 Early Hints\r\nX-Secret: 1\r\nLink: </a>\r\nX-Set: theirs"]),
    );
    using client = await gateway.connect();
    for (const _ of "1234") { // the last ones with fields that were seen before
      await client.send(requestFor("hinted"));
      const { status, informational: [hint], fields } = await client.readResponse();
      assertEquals([status, hint.fields], [200, [["Link", "</a>"]]]);
      assertEquals(fields.filter(([name]) => name === "x-set"), [["x-set", "ours"]]);
    }
  });

  await test.step("1xx do not go to an HTTP/1.0 client (RFC 9110 §15.2)", async () => {
    gateway.backend("any").use(informational([hints]));
    const got = await gateway.send(wireOf("GET / HTTP/1.0", "Host: any.test"));
    assertEquals([got.status, got.text, got.informational.length], [200, "ok", 0]);
  });

  await test.step("Expect: 100-continue is between client and backend for a large body (RFC 9110 §10.1.1)", async () => {
    gateway.backend("expect").use(async (exchange) => {
      assertEquals(exchange.request.field("expect"), "100-continue");
      await exchange.write("HTTP/1.1 100 Continue\r\n\r\n");
      await exchange.readBody();
      await exchange.write(response(200, String(exchange.request.body.length)));
    });
    using client = await gateway.connect();
    await client.send(wireOf("POST / HTTP/1.1", "Host: expect.test", LARGE_LENGTH, "Expect: 100-continue"));
    assertEquals((await client.readResponseHead()).status, 100);
    await client.send("x".repeat(LARGE));
    assertEquals((await client.readResponse()).text, String(LARGE));
  });

  for (const framing of ["Content-Length: 5", "Transfer-Encoding: chunked"]) {
    await test.step(`Expect: 100-continue is answered here for a body that may be small: ${framing}`, async () => {
      gateway.backend("expect").use(async (exchange) => {
        await exchange.readBody();
        await exchange.write(response(200, exchange.request.text + (exchange.request.field("expect") ?? "")));
      });
      using client = await gateway.connect();
      await client.send(wireOf("POST / HTTP/1.1", "Host: expect.test", framing, "Expect: 100-Continue"));
      assertEquals((await client.readResponseHead()).status, 100);
      await client.send(framing.endsWith("5") ? "hello" : "5\r\nhello\r\n0\r\n\r\n");
      assertEquals((await client.readResponse()).text, "hello");
    });
  }

  await test.step("an expectation that the backend refuses is answered without the body, and the connection closes", async () => {
    gateway.backend("expect").use((exchange) => exchange.write(response(417, "no")));
    using client = await gateway.connect();
    await client.send(wireOf("POST / HTTP/1.1", "Host: expect.test", LARGE_LENGTH, "Expect: 100-continue"));
    const got = await client.readResponse();
    assertEquals([got.status, got.keepAlive], [417, false]);
    await client.closeWrite();
    await client.waitForClose();
  });
}

async function trailerSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  const trailers = [["X-Sum", "1"], ["Set-Cookie", "a=1"], ["Connection", "close"], ["x-more", "2"]] as const;
  for (
    const { name, lines, expected } of [
      { name: "a client that said TE: trailers gets them", lines: ["TE: trailers", "Connection: TE"], expected: true },
      { name: "a client that said TE: gzip does not", lines: ["TE: gzip", "Connection: TE"], expected: false },
      { name: "a client that said nothing does not", lines: [], expected: false },
    ]
  ) {
    await test.step(`trailers of a response: ${name}, never those that frame or authenticate`, async () => {
      gateway.backend("any").use(answer(response(200, "hello", { framing: "chunked", trailers })));
      using client = await gateway.connect();
      await client.send(requestFor("any", ...lines) + requestFor("named"));
      const got = await client.readResponse();
      assertEquals([got.text, got.trailers], ["hello", expected ? [["X-Sum", "1"], ["x-more", "2"]] : []]);
      assertEquals(gateway.seen("any").field("te"), expected ? "trailers" : null);
      assertEquals((await client.readResponse()).text, "/ ");
    });
  }

  await test.step("trailers of a request pass, never those that frame, route or authenticate", async () => {
    const end = "0\r\nX-Sum: 1\r\nAuthorization: Basic eDp5\r\nX-Forwarded-For: 1.2.3.4\r\nX-More: 2\r\n\r\n";
    await gateway.send(wireOf("POST / HTTP/1.1", "Host: named.test", CHUNKED) + "5\r\nhello\r\n" + end);
    assertEquals(gateway.seen("named").trailers, [["X-Sum", "1"], ["X-More", "2"]]);
  });

  for (const [size, body] of [["small", "hello"], ["large", "x".repeat(100_000)]]) {
    await test.step(`trailers of a ${size} message: none that Connection names, the route removes or sets`, async () => {
      const end = "0\r\nX-Internal: 1\r\nX-User: root\r\nX-Hop: 2\r\nX-Sum: 3\r\n\r\n";
      const head = wireOf(
        "POST / HTTP/1.1",
        "Host: edited.test",
        "TE: trailers",
        "Connection: TE, X-Hop",
        CHUNKED,
      );
      const got = await gateway.send(`${head}${body.length.toString(16)}\r\n${body}\r\n${end}`);
      assertEquals(gateway.seen("edited").trailers, [["X-Sum", "3"]]);
      assertEquals(gateway.seen("edited").field("x-user"), "nobody");
      assertEquals([got.text === body, got.trailers], [true, [["X-Sum", "4"]]]);
      assertEquals(got.field("x-set"), "ours");
    });
  }

  await test.step("a trailer that names a length breaks the message (RFC 9110 §6.5.1)", async () => {
    const wire = wireOf("POST / HTTP/1.1", "Host: named.test", CHUNKED) +
      "5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n";
    const got = await gateway.send(wire);
    assertEquals([got.status, got.keepAlive], [400, false]);
  });
}

async function oldClientSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  const old = (target: string, ...lines: string[]) => wireOf(`GET ${target} HTTP/1.0`, "Host: named.test", ...lines);
  await test.step("HTTP/1.0 without keep-alive is closed behind its answer", async () => {
    using client = await gateway.connect();
    await client.send(old("/1"));
    const got = await client.readResponse();
    assertEquals([got.text, got.field("connection"), got.framing], ["/1 ", "close", "length"]);
    await client.closeWrite();
    await client.waitForClose();
  });

  await test.step("HTTP/1.0 with keep-alive is kept, and told so (RFC 9112 §C.2.2)", async () => {
    using client = await gateway.connect();
    for (const target of ["/1", "/2"]) {
      await client.send(old(target, "Connection: keep-alive"));
      const got = await client.readResponse();
      assertEquals([got.text, got.field("connection")], [`${target} `, "keep-alive"]);
    }
  });

  await test.step("HTTP/1.0 gets a chunked body up to the end of its connection, keep-alive or not", async () => {
    gateway.backend("any").use(answer(response(200, "hello", { framing: "chunked" })));
    for (const lines of [[], ["Connection: keep-alive"]]) {
      using client = await gateway.connect();
      await client.send(wireOf("GET / HTTP/1.0", "Host: any.test", ...lines));
      const got = await client.readResponse();
      assertEquals([got.text, got.framing, got.field("connection")], ["hello", "until_close", "close"]);
    }
  });

  await test.step("HTTP/1.0 without Host goes to the route for any host, or to none", async () => {
    assertEquals((await gateway.send(wireOf("GET / HTTP/1.0"))).status, 404);
  });

  await test.step("HTTP/1.0 to the backend is HTTP/1.1", async () => {
    await gateway.send(old("/version"));
    assertEquals(gateway.seen("named").version, "HTTP/1.1");
  });
}

async function pipelineSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  const post = (target: string, body: string) =>
    wireOf(`POST ${target} HTTP/1.1`, "Host: named.test", `Content-Length: ${body.length}`) + body;
  const put = (target: string, body: string) =>
    wireOf(`PUT ${target} HTTP/1.1`, "Host: named.test", CHUNKED) + new TextDecoder().decode(chunk(body)) + "0\r\n\r\n";

  await test.step("a pipeline with bodies is answered in order, also when the first one takes long", async () => {
    const first = new Gate();
    const before = gateway.backend("any").requests.length;
    gateway.backend("any").use(async (exchange) => {
      await exchange.wait(first.opened);
      await exchange.write(response(200, "first"));
    });
    using client = await gateway.connect();
    const large = "b".repeat(100_000);
    const sending = client.send(
      requestFor("any") + post("/2", "two") + put("/3", large) + post("/4", "") + post("/5", "five"),
    );
    await gateway.backend("any").waitForRequests(before + 1, PATIENCE_MS);
    first.open();
    const texts = [];
    for (const _ of "12345") texts.push((await client.readResponse()).text);
    await sending;
    assertEquals(texts.map((text) => text.slice(0, 8)), ["first", "/2 two", "/3 bbbbb", "/4 ", "/5 five"]);
    assertEquals(texts[2].length, large.length + 3);
  });

  await test.step("a bad one in the middle is answered, closes, and nothing behind it is served", async () => {
    const before = gateway.backend("named").requests.length;
    using client = await gateway.connect();
    await client.send(post("/1", "one") + "GET /2 HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n" + post("/3", "three"));
    assertEquals((await client.readResponse()).text, "/1 one");
    const refused = await client.readResponse();
    assertEquals([refused.status, refused.keepAlive], [400, false]);
    await client.closeWrite();
    await client.waitForClose();
    assertEquals(gateway.backend("named").requests.slice(before).map(({ target }) => target), ["/1"]);
  });

  await test.step("Connection: close in the middle ends it there", async () => {
    using client = await gateway.connect();
    await client.send(
      post("/1", "x") + wireOf("GET /2 HTTP/1.1", "Host: named.test", "Connection: close") + post("/3", "x"),
    );
    assertEquals((await client.readResponse()).text, "/1 x");
    assertEquals((await client.readResponse()).keepAlive, false);
    await client.closeWrite();
    await client.waitForClose();
  });

  await test.step("a client that has ended its side gets every answer", async () => {
    using client = await gateway.connect();
    await client.send(post("/1", "x") + post("/2", "y") + put("/3", "z"));
    await client.closeWrite();
    for (const text of ["/1 x", "/2 y", "/3 z"]) assertEquals((await client.readResponse()).text, text);
    await client.waitForClose();
  });
}

async function bodilessSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (
    const { method = "GET", bytes, status } of [
      { method: "HEAD", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", status: 200 },
      { method: "HEAD", bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", status: 200 },
      { bytes: "HTTP/1.1 204 No Content\r\n\r\n", status: 204 },
      { bytes: "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", status: 304 },
    ]
  ) {
    await test.step(`${method} ${status}: no body, and the connection is in step`, async () => {
      gateway.backend("any").use(answer(bytes));
      using client = await gateway.connect();
      await client.send(wireOf(`${method} / HTTP/1.1`, "Host: any.test") + requestFor("named"));
      const got = await client.readResponse({ method });
      assertEquals([got.status, got.body.length, got.field("transfer-encoding")], [status, 0, null]);
      if (bytes.includes("500")) assertEquals(got.field("content-length"), "500");
      assert(got.keepAlive);
      assertEquals((await client.readResponse()).text, "/ ");
    });
  }
}
