/** What a client gets of a backend's response, byte by byte on both sides. */

import { assert, assertEquals, assertInRange } from "../support/assert.ts";
import { answer, chunk, response } from "../support/backend_scripts.ts";
import type { Field } from "../support/http_message.ts";
import { WORKERS } from "../support/workers.ts";
import { ENGINES, Gateway, isFor, requestFor, type Site, wireOf } from "../support/gateway_stage.ts";
import { BODY_ROWS, head, INTERIM } from "./gateway_response_rows.ts";

interface FieldRow {
  readonly name: string;
  readonly fields: readonly Field[];
  /** What the client gets beside `date` and framing. */
  readonly passed: readonly Field[];
  readonly route?: string;
}

const FIELD_ROWS: readonly FieldRow[] = [
  {
    name: "Set-Cookie lines stay apart and in order (RFC 6265 §3)",
    fields: [["Set-Cookie", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"], ["X-A", "1"], ["Set-Cookie", "a=1"], [
      "set-cookie",
      "b=3",
    ]],
    passed: [["set-cookie", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"], ["x-a", "1"], ["set-cookie", "a=1"], [
      "set-cookie",
      "b=3",
    ]],
  },
  {
    name: "hop-by-hop fields end here (RFC 9110 §7.6.1)",
    fields: [
      ["Connection", "keep-alive, X-Hop"],
      ["Keep-Alive", "timeout=5"],
      ["X-Hop", "1"],
      [
        "Proxy-Connection",
        "keep-alive",
      ],
      ["Upgrade", "h2c"],
      ["Trailer", "X-Sum"],
      ["Proxy-Authenticate", "Basic"],
      ["X-Kept", "1"],
    ],
    passed: [["x-kept", "1"]],
  },
  {
    name: "Connection does not take the framing away",
    fields: [["Connection", "content-length, transfer-encoding"]],
    passed: [],
  },
  {
    name: "content codings are not touched (RFC 9110 §8.4)",
    fields: [["Content-Encoding", "gzip"], ["Vary", "Accept-Encoding"], ["ETag", `"strong"`]],
    passed: [["content-encoding", "gzip"], ["vary", "Accept-Encoding"], ["etag", `"strong"`]],
  },
  { name: "no Content-Type is made up", fields: [], passed: [] },
  {
    name: "Server and Via of the backend pass",
    fields: [["Server", "x/1"], ["Via", "1.1 cache"]],
    passed: [
      ["server", "x/1"],
      ["via", "1.1 cache"],
    ],
  },
  { name: "bytes above 127 pass", fields: [["X-High", "\xe9\xff"]], passed: [["x-high", "\xe9\xff"]] },
  {
    name: "a name of every character that names may have passes (RFC 9110 §5.6.2)",
    fields: [["!#$%&'*+-.^_`|~0aZ", "a\tb"]],
    passed: [["!#$%&'*+-.^_`|~0az", "a\tb"]],
  },
  { name: "an empty value passes", fields: [["X-Empty", ""]], passed: [["x-empty", ""]] },
  {
    name: "repeated lines keep their order (RFC 9110 §5.3)",
    fields: [["X-A", "1"], ["X-B", "x"], ["x-a", "2"]],
    passed: [["x-a", "1"], ["x-b", "x"], ["x-a", "2"]],
  },
  {
    name: "response_headers of the route: set, add, remove",
    route: `response_headers = { set = { x-edge = "1" }, add = { set-cookie = "ours=1" }, remove = ["server"] }`,
    fields: [["Server", "x"], ["X-Edge", "old"], ["Set-Cookie", "a=1"]],
    passed: [["set-cookie", "a=1"], ["x-edge", "1"], ["set-cookie", "ours=1"]],
  },
];

const SITES: readonly Site[] = [
  ...FIELD_ROWS.map(({ fields, route }, index): Site => ({
    name: `field${index}`,
    script: answer(response(200, "ok", { fields })),
    ...(route === undefined ? {} : { route }),
  })),
  ...BODY_ROWS.map(({ script }, index): Site => ({ name: `body${index}`, script })),
  { name: "plain", script: answer(response(200, "plain")) },
  { name: "date", script: answer(response(200, "ok", { fields: [["Date", "Tue, 15 Nov 1994 08:12:31 GMT"]] })) },
  { name: "pieces" },
];

for (const engine of ENGINES) {
  Deno.test(`${engine}: a response on its way to the client`, async (test) => {
    await using gateway = await Gateway.start({ engine, sites: SITES });

    await fieldSteps(test, gateway);
    await bodySteps(test, gateway);
    await streamSteps(test, gateway);
  });
}

async function fieldSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (const [index, { name, passed }] of FIELD_ROWS.entries()) {
    await test.step(`fields: ${name}`, async () => {
      const got = await gateway.send(requestFor(`field${index}`));
      assertEquals([got.status, got.text, got.field("content-length")], [200, "ok", "2"]);
      const fields = got.fields.filter(([field]) => field !== "date" && field !== "content-length");
      assertEquals(sortedByName(fields), sortedByName(passed));
    });
  }

  await test.step("fields: a Date of the backend stays, and one is made where there is none (RFC 9110 §6.6.1)", async () => {
    assertEquals((await gateway.send(requestFor("date"))).fieldLines("date"), ["Tue, 15 Nov 1994 08:12:31 GMT"]);
    assertEquals((await gateway.send(requestFor("plain"))).fieldLines("date").length, 1);
  });
}

async function bodySteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (const [index, { name, method = "GET", status = 200, body, length, isReused }] of BODY_ROWS.entries()) {
    if (!isFor(gateway.engine)(BODY_ROWS[index])) continue;
    await test.step(`body: ${name}`, async () => {
      const site = `body${index}`;
      const wire = wireOf(`${method} / HTTP/1.1`, `Host: ${site}.test`);
      // A connection stays with its worker, so the second request meets the pool of the first one if it can.
      let client = await gateway.connect();
      let clients = 1;
      try {
        for (const turn of [1, 2]) {
          await client.send(wire);
          const got = await client.readResponse({ method });
          assertEquals([got.status, got.text === body, got.text.length], [status, true, body.length]);
          if (length !== undefined) assertEquals(got.field("content-length"), length);
          // Deno.serve has no means to send them.
          const isSilent = got.informational.every((interim) => interim.status === 100);
          assertEquals(isSilent, gateway.engine === "serve" || !INTERIM.test(name));
          if (got.keepAlive) {
            // Whatever came, the client's connection is at a message boundary: a response of another site is next.
            await client.send(requestFor("plain"));
            assertEquals((await client.readResponse()).text, "plain");
          } else if (turn === 1) {
            client.close();
            client = await gateway.connect();
            clients++;
          }
        }
      } finally {
        client.close();
      }
      const used = gateway.backend(site).connections.length;
      if (isReused) assertInRange(used, 1, Math.min(clients, WORKERS));
      else assertEquals(used, 2);
      const lines = () => gateway.sluice.accessLog.filter(({ host }) => host === `${site}.test`);
      await gateway.sluice.waitFor(() => lines().length === 2, "two access lines");
      assertEquals(lines().map(({ error }) => String(error ?? "")), ["", ""]);
    });
  }
}

async function streamSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  await test.step("a body goes to the client as it arrives, without waiting for its end", async () => {
    const first = Promise.withResolvers<void>();
    gateway.backend("pieces").use(async (exchange) => {
      await exchange.write(head("200 OK", "Transfer-Encoding: chunked"));
      await exchange.write(chunk("one"));
      await exchange.wait(first.promise);
      await exchange.write(chunk("two"));
      await exchange.write("0\r\n\r\n");
    });
    using client = await gateway.connect();
    await client.send(requestFor("pieces"));
    const reader = client.bodyOf(await client.readResponseHead());
    assertEquals(new TextDecoder().decode((await reader.read())!), "one");
    assert(!reader.isDone);
    first.resolve();
    assertEquals(new TextDecoder().decode(await reader.readAll()), "two");
  });

  await test.step("bodies of two responses never mix on one client connection", async () => {
    using client = await gateway.connect();
    await client.send(
      requestFor("plain") + requestFor("body0") + wireOf("HEAD / HTTP/1.1", "Host: body0.test") + requestFor("plain"),
    );
    assertEquals((await client.readResponse()).text, "plain");
    assertEquals((await client.readResponse()).text, "hello");
    assertEquals((await client.readResponse({ method: "HEAD" })).text, "");
    assertEquals((await client.readResponse()).text, "plain");
  });
}

/** Deno groups lines by name; the order of lines of one name is what counts. */
function sortedByName(fields: readonly Field[]): Field[] {
  return fields.map(([name, value]): Field => [name.toLowerCase(), value])
    .toSorted(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
}
