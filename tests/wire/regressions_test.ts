/** Faults that a review found in the running proxy, each with what broke. */

import { assertEquals } from "@std/assert";
import type { ProxyRequest } from "../../lib/proxy/message/request.ts";
import { RequestBody } from "../../lib/proxy/message/request_body.ts";
import { accessOf, connect, listenerToml, step, upstreamToml } from "../support/proxy_stage.ts";
import { answer, echo, echoOf, response, type Script } from "../support/backend_scripts.ts";
import { request } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";

const KEPT_BYTES_MAX = 64;

/** Pieces come when the test says so. */
class PieceSource {
  readonly request: ProxyRequest;
  #waiting: ((piece: Uint8Array | null) => void) | null = null;

  constructor() {
    this.request = {
      readBody: () => new Promise((resolve) => this.#waiting = resolve),
      reuse() {},
    } as unknown as ProxyRequest;
  }

  give(piece: Uint8Array | null): void {
    this.#waiting!(piece);
  }
}

Deno.test("RequestBody keeps its first piece when a read that an attempt left behind brings a large one", async () => {
  // The large piece pushed out what the next attempt had to send first, and the body was taken to have ended there: the
  // second backend got an empty request body, properly ended.
  const source = new PieceSource();
  const body = new RequestBody(source.request, KEPT_BYTES_MAX);
  const first = new Uint8Array(10).fill(1);
  const second = new Uint8Array(100).fill(2);
  const firstRead = body.piece(0);
  source.give(first);
  assertEquals(await firstRead, first);
  const left = body.piece(1);
  source.give(second);
  await left;
  assertEquals(body.isIntact, true);
  assertEquals(await body.piece(0), first);
  assertEquals(await body.piece(1), second);
  assertEquals(body.isIntact, false);
});

Deno.test("RequestBody lets pieces go once they do not fit, one behind the other", async () => {
  const source = new PieceSource();
  const body = new RequestBody(source.request, KEPT_BYTES_MAX);
  for (let index = 0; index < 4; index++) {
    const piece = new Uint8Array(40).fill(index);
    const read = body.piece(index);
    source.give(piece);
    assertEquals(await read, piece);
    assertEquals(body.isIntact, index < 2);
  }
});

Deno.test("RequestBody keeps small pieces in a number that is bounded, too", async () => {
  // A piece costs a few hundred bytes, so a body of single bytes within the bound held hundreds of times its length.
  const source = new PieceSource();
  const body = new RequestBody(source.request, 64 * 1024);
  for (let index = 0; index < 300; index++) {
    const read = body.piece(index);
    source.give(new Uint8Array(1));
    await read;
  }
  assertEquals(body.isIntact, false);
});

/** A 503 that stops in its middle, before the request body has ended. */
const halfRefusal: Script = async (exchange) => {
  await exchange.write("HTTP/1.1 503 Busy\r\nContent-Length: 10\r\n\r\n12345");
  await exchange.connection.closed;
  exchange.close();
};

const halfChunkedRefusal: Script = async (exchange) => {
  await exchange.write("HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345");
  await exchange.connection.closed;
  exchange.close();
};

const halfAnswer: Script = async (exchange) => {
  await exchange.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
  await exchange.connection.closed;
  exchange.close();
};

/** The last answer of a backend that dies: an end instead of the second one, and nobody there from then on. */
function dieAtSecond(backend: () => ScriptedBackend): Script[] {
  return [answer(response(200, "ok")), async (exchange) => {
    const { port } = backend();
    backend().stopListening();
    await untilRefused(port);
    exchange.close();
  }];
}

/** The system may complete a connection while the socket closes: that would be a reset, and not nobody there. */
async function untilRefused(port: number): Promise<void> {
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) return;
    }
  }
}

const RETRY_ON_503 = `retry = { on = [503], budget = 1.0, backoff = { initial = "1ms", max = "1ms" } }`;

const TARGETS = [
  { name: "UTF-8 of two bytes", target: "/plain/\xc3\xa9", status: 200 },
  { name: "UTF-8 of three bytes, which became a question mark", target: "/plain/\xe4\xb8\xad", status: 200 },
  { name: "an absolute form whose host holds a star, which became the path", target: "http://h*a/", status: 400 },
];

Deno.test("The review's faults stay mended", async (t) => {
  await using busy = ScriptedBackend.start(halfRefusal, { name: "busy" });
  await using calm = ScriptedBackend.start(echo(), { name: "calm" });
  await using dying: ScriptedBackend = ScriptedBackend.start(dieAtSecond(() => dying), { name: "dying" });
  await using mute = ScriptedBackend.start(halfAnswer, { name: "mute" });
  await using sluice = await SluiceProcess.start([
    listenerToml("web"),
    upstreamToml("mute", [mute.url], { keys: `timeouts = { idle = "100ms" }\ncircuit = { failures = 1 }` }),
    upstreamToml("busy", [`{ url = "${busy.url}" }`, `{ url = "${calm.url}", backup = true }`], {
      keys: `${RETRY_ON_503}\ncircuit = { failures = 0, error_rate = 0.0 }`,
    }),
    upstreamToml("plain", [calm.url]),
    upstreamToml("dying", [dying.url], { keys: `retry = { attempts = 1 }\ncircuit = { failures = 1 }` }),
  ].join("\n"));
  const address = sluice.address("web");

  await step(t, "a bad answer that stalls does not hold up the next attempt", async () => {
    // Its body was read to the end first, so the client waited for the idle timeout and got an error.
    busy.use(halfRefusal);
    const reply = await request(address, "GET", "/busy/stall", {}, { deadlineMs: 30_000 });
    assertEquals([reply.status, echoOf(reply).backend], [200, "calm"]);
  });

  for (const [name, script] of [["sized", halfRefusal], ["chunked", halfChunkedRefusal]] as const) {
    await step(t, `a body that is still coming goes whole to the next attempt after a ${name} refusal`, async () => {
      // While the refusal was read off, the upload went on and let pieces go that the next attempt needed: it sent
      // an empty body, properly ended, and the client got 200.
      busy.use(script);
      const seen = calm.requests.length;
      using client = await connect(address);
      await client.send("PUT /busy/body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
      await calm.waitFor(() => calm.requests.length > seen, "the second attempt", 30_000);
      await client.send(`20000\r\n${"x".repeat(0x20000)}\r\n0\r\n\r\n`);
      const reply = await client.readResponse();
      assertEquals([reply.status, echoOf(reply).bodyLength], [200, 5 + 0x20000]);
    });
  }

  await step(t, "the attempt that replaces a stale connection is reported to health", async () => {
    // It had no admission, so that a refused connection counted for nothing and the next client met it again.
    using client = await connect(address); // through one worker: a stale connection is in its own pool
    const status = async (target: string) => {
      await client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
      return (await client.readResponse()).status;
    };
    assertEquals(await status("/dying/1"), 200);
    assertEquals(await status("/dying/2"), 502);
    assertEquals((await accessOf(sluice, "/dying/2")).attempts, 2);
    assertEquals(await status("/dying/3"), 503);
  });

  await step(t, "a response that falls silent in its body is reported to health", async () => {
    // The timeout ended the exchange before its reader could report: such a backend kept all of its traffic.
    const seen = sluice.events.length;
    using client = await connect(address);
    await client.send("GET /mute/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.readResponseHead();
    assertEquals((await accessOf(sluice, "/mute/1")).error, "response_idle_timeout");
    const { reason } = await sluice.waitForEvent(({ event, to }) => event === "backend_health" && to === "open", seen);
    assertEquals(reason, "response_idle_timeout (traffic)");
  });

  for (const { name, target, status } of TARGETS) {
    await step(t, `a target passes as it came or not at all: ${name}`, async () => {
      const reply = await request(address, "GET", target, { Host: "h" });
      assertEquals(reply.status, status);
      if (status === 200) assertEquals(echoOf(reply).target, target);
    });
  }

  assertEquals(busy.violations.concat(calm.violations, dying.violations), []);
  assertEquals(await sluice.stop(), 0);
});
