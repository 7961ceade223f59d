/** `features.fast_path`: with it and without it, all that a client or a backend sees is the same. */

import { assertEquals, assertStrictEquals } from "../support/assert.ts";
import { useFastPath } from "../../lib/base/fast_path.ts";
import { TextMemo } from "../../lib/http1/text_memo.ts";
import type { ProxyRequest } from "../../lib/proxy/message/request.ts";
import { RequestBody } from "../../lib/proxy/message/request_body.ts";
import { BODY_BUFFER_BYTES, BodyBuffers } from "../../lib/transport/body_buffers.ts";
import { answer, type Echo, echo, echoOf, response } from "../support/backend_scripts.ts";
import type { RawClient } from "../support/raw_client.ts";
import { refusedPort, ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { toBytes } from "../support/wire_bytes.ts";
import { connect, listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";
import { reload } from "../support/reload_stage.ts";

const ENGINES = ["serve", "wire"];
const LARGE = "0123456789abcdef".repeat(64 * 1024);

/** Each is sent in one piece, so that it can take the fast path. */
const REQUESTS: Readonly<Record<string, string>> = {
  "a body of known length": "POST /echo/a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello",
  "a chunked body with a trailer": "POST /echo/b HTTP/1.1\r\nHost: b.example:81\r\nTransfer-Encoding: chunked\r\n\r\n" +
    "3\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n",
  "an empty chunked body": "POST /echo/c HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "no body": "GET /echo/d?q=1 HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n",
  "a body that is sent again": "PUT /again/e HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello",
};

async function seenOf(client: RawClient): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = {};
  for (const [name, bytes] of Object.entries(REQUESTS)) {
    await client.send(bytes);
    const reply = await client.readResponse();
    assertEquals(reply.status, 200, name);
    const { backend: _, fields, ...rest }: Echo = echoOf(reply);
    seen[name] = { ...rest, fields: fields.filter(([field]) => field.toLowerCase() !== "x-request-id") };
  }
  await client.send("GET /large/f HTTP/1.1\r\nHost: a.example\r\n\r\n");
  const { status, text } = await client.readResponse();
  assertEquals([status, text === LARGE], [200, true]);
  return seen;
}

Deno.test("features.fast_path is switched live, and changes nothing that is seen", async (t) => {
  await using echoes = ScriptedBackend.start(echo());
  await using large = ScriptedBackend.start(answer(response(200, LARGE)));
  using refused = await refusedPort();
  const toml = (value: boolean) =>
    [
      `[features]\nfast_path = ${value}`,
      ...ENGINES.map((engine) => listenerToml(engine, `engine = "${engine}"`)),
      upstreamToml("echo", [echoes.url]),
      upstreamToml("again", [refused.url, echoes.url], {
        keys: "circuit = { failures = 0, error_rate = 0.0 }",
      }),
      upstreamToml("large", [large.url]),
    ].join("\n");
  await using sluice = await SluiceProcess.start(toml(true), { deadlineMs: PATIENCE_MS });
  for (const engine of ENGINES) {
    await step(t, engine, async () => {
      using client = await connect(sluice.address(engine));
      await seenOf(client); // the second time around hosts and buffers are known
      const on = await seenOf(client);
      await reload(sluice, () => sluice.writeConfig(toml(false)));
      assertEquals(await seenOf(client), on);
      assertEquals(await seenOf(client), on);
      await reload(sluice, () => sluice.writeConfig(toml(true)));
      assertEquals(await seenOf(client), on);
    });
  }
  assertEquals(await sluice.stop(), 0);
});

function withoutFastPath(fn: () => void): void {
  useFastPath(false);
  try {
    fn();
  } finally {
    useFastPath(true);
  }
}

Deno.test("TextMemo without the fast path looks nothing up, and asks about each text", () => {
  const memo = new TextMemo();
  const bytes = toBytes("example.com");
  assertEquals(memo.text(bytes, 0, 11, () => true), "example.com");
  withoutFastPath(() => {
    assertEquals(memo.text(bytes, 0, 11, () => true), "example.com");
    assertEquals(memo.text(bytes, 0, 11, () => false), null);
  });
  assertEquals([memo.hits, memo.misses], [0, 1]);
});

Deno.test("BodyBuffers without the fast path gives each body a buffer of its own", () => {
  const buffers = new BodyBuffers();
  const lent = buffers.lend("large");
  withoutFastPath(() => {
    buffers.takeBack(lent);
    const own = buffers.lend("large");
    assertEquals([own.length, buffers.largeLent], [BODY_BUFFER_BYTES.medium, 0]);
    buffers.takeBack(own);
  });
  assertEquals(buffers.lend("large") === lent, false);
});

Deno.test("RequestBody without the fast path takes nothing beforehand", async () => {
  const piece = toBytes("hello");
  const request = {
    takeReceived: () => piece,
    isBodyTaken: true,
    readBody: () => Promise.resolve(piece),
  } as unknown as ProxyRequest;
  const body = new RequestBody(request, 1024);
  withoutFastPath(() => body.begin());
  assertEquals(body.takeWhole(1024), null);
  assertStrictEquals(await body.piece(0), piece);
});
