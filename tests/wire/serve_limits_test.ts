/**
 * What an engine on top of `Deno.serve` has to do with the means that it is given, where Deno keeps a connection open or
 * waits for ever.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { Gateway, wireOf } from "../support/gateway_stage.ts";
import { toText } from "../support/wire_bytes.ts";

const SECOND = "GET /second HTTP/1.1\r\nHost: site.test\r\n\r\n";
const HELLO = "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello";

/** A message whose end may be elsewhere for others, what its answer begins with, and what it ends with. */
const UNCLEAR: readonly { name: string; send: string; head: string; end: string }[] = [
  { name: "POST, two lengths", send: `POST / HTTP/1.1\r\nHost: site.test\r\n${HELLO}`, head: "400", end: "ID\n\r\n" },
  {
    name: "CONNECT",
    send: `CONNECT site.test:80 HTTP/1.1\r\nHost: site.test:80\r\n\r\n`,
    head: "501",
    end: "ID\n\r\n",
  },
  {
    name: "CONNECT to no host, with a body",
    send: "CONNECT a@b:80 HTTP/1.1\r\nHost: site.test:80\r\nContent-Length: 5\r\n\r\nhello",
    head: "400",
    end: "ID\n\r\n",
  },
  { name: "HEAD, two lengths", send: `HEAD / HTTP/1.1\r\nHost: site.test\r\n${HELLO}`, head: "101", end: "\r\n\r\n" },
  {
    name: "HEAD, two lengths in chunks",
    send: "HEAD / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    head: "101",
    end: "\r\n\r\n",
  },
];

Deno.test("serve: nothing is served behind a message whose end others may find elsewhere", async (test) => {
  await using gateway = await Gateway.start({ engine: "serve", sites: [{ name: "site" }] });
  for (const { name, send, head, end } of UNCLEAR) {
    await test.step(name, async () => {
      using client = await gateway.connect();
      await client.send(send + SECOND);
      const all = toText(await client.readUntilClose());
      assert(all.startsWith(`HTTP/1.1 ${head} `), all);
      // All of the text is there; what a client can see is missing is the last chunk.
      assert(all.endsWith(end.replace("ID", /request: (\S+)/.exec(all)?.[1] ?? "")), all);
      assertEquals(gateway.backend("site").requests.length, 0);
    });
  }
  await test.step("HEAD with two lengths of 0 has no body for anybody", async () => {
    using client = await gateway.connect();
    await client.send("HEAD / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n" + SECOND);
    assertEquals((await client.readResponse({ method: "HEAD" })).status, 400);
    assertEquals((await client.readResponse()).status, 200);
  });
});

Deno.test("serve: trailers that Deno has no room for end with the body's time, not never", async () => {
  const listeners = { web: `limits = { body_timeout = "500ms" }` };
  await using gateway = await Gateway.start({ engine: "serve", sites: [{ name: "site" }], listeners });
  using client = await gateway.connect();
  const trailers = `x-trailer: ${"a".repeat(1000)}\r\n`.repeat(70);
  await client.send(
    wireOf("POST / HTTP/1.1", "Host: site.test", "Transfer-Encoding: chunked") + `5\r\nhello\r\n0\r\n${trailers}\r\n`,
  );
  const { status } = await client.readResponse();
  assertEquals(status, 408);
  await client.send(SECOND).catch(() => {});
  await client.waitForClose();
  assertEquals(gateway.backend("site").requests.map(({ target }) => target), ["/"]);
});
