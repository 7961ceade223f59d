/**
 * What filters of a route may do, over both engines, with one and with two workers: answer, wait, change the request, wrap
 * the response, fail. The filters are those of trial_filters.ts; a site's name says which its route has.
 */

import type { Engine } from "../../support/gateway_stage.ts";
import { ENGINES, Gateway, requestFor, wireOf } from "../../support/gateway_stage.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { answer, closeMidway, echoOf, resetBeforeHead, response, type Script } from "../../support/backend_scripts.ts";
import { accessOf, step } from "../../support/proxy_stage.ts";
import { AdminClient } from "../../process/admin_client.ts";
import { WsBackend } from "../../support/ws_backend.ts";
import { encodeFrame } from "../../../lib/websocket/frame_encoder.ts";
import { FrameDecoder, type FrameEvent, Opcode } from "../../../lib/websocket/frames.ts";
import { handshake } from "../raw_websocket.ts";

const ENTRY = new URL("./trial_main.ts", import.meta.url).pathname;
const LONG = "abc, def. ".repeat(100_000);
const TRAILERS = [["X-Sum", "abc"]] as const;

const MASK = Uint8Array.of(1, 2, 3, 4);

/** A body of five bytes, which HEAD is told of only. */
const quiet: Script = async (exchange) => {
  await exchange.readBody();
  const isHead = exchange.request.method === "HEAD";
  await exchange.write(
    isHead ? response(200, "", { fields: [["Content-Length", "5"]], framing: "none" }) : response(200, "quiet"),
  );
};

const textOf = (event: FrameEvent) => event.kind === "text" ? event.text : event.kind;

/** By the metrics, which add up all workers. */
async function inFlight(gateway: Gateway): Promise<number> {
  const admin = await AdminClient.of(gateway.sluice);
  const { view } = await admin.ask<string>("GET /metrics");
  const [, exchanges] = /^sluice_exchanges_in_flight (\d+)$/m.exec(view)!;
  const attempts = [...view.matchAll(/^sluice_backend_in_flight\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
  return attempts.reduce((sum, count) => sum + count, Number(exchanges));
}

async function untilInFlight(gateway: Gateway, count: number): Promise<void> {
  const admin = await AdminClient.of(gateway.sluice);
  await admin.until(async () => await inFlight(gateway) === count, `${count} in flight`);
}

function start(engine: Engine, workers: number, wsUrl: string): Promise<Gateway> {
  return Gateway.start({
    engine,
    server: `workers = ${workers}\n[admin]\naddress = "127.0.0.1:0"`,
    process: { entry: ENTRY },
    sites: [
      { name: "plain" },
      { name: "gate" },
      { name: "wait" },
      { name: "gate-wait" },
      { name: "wait-hurried", upstream: `timeouts = { total = "300ms" }` },
      { name: "shout", script: quiet },
      { name: "shout-long", script: answer(response(200, LONG)) },
      { name: "shout-chunks", script: answer(response(200, "quiet", { framing: "chunked", trailers: TRAILERS })) },
      { name: "shout-same", script: answer(response(304, "", { fields: [["ETag", `"a"`]], framing: "none" })) },
      { name: "shout-broken", script: closeMidway("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nquiet") },
      { name: "shout-error", script: resetBeforeHead() },
      { name: "gate-shout-ws", url: wsUrl },
      { name: "gate-shout-fixed", action: `respond = { status = 200, body = "fixed" }` },
      { name: "gate-shout-moved", action: `redirect = { to = "/there" }` },
      { name: "gate-wait-shout" },
    ],
  });
}

for (const engine of ENGINES) {
  for (const workers of [1, 2]) {
    Deno.test(`filters: ${engine}, workers ${workers}`, async (t) => {
      await using ws = WsBackend.start();
      await using gateway = await start(engine, workers, ws.url);
      const has = (name: string, run: () => Promise<void>) => step(t, name, run);
      const idle = () => untilInFlight(gateway, 0);

      await has("one that answers: its response is sent, and nobody else hears of the request", async () => {
        const reply = await gateway.send(requestFor("gate", "X-Gate: closed"));
        assertEquals([reply.status, reply.text, reply.field("x-stamp")], [403, "no entry", null]);
        assertEquals(gateway.backend("gate").requests.length, 0);
      });

      await has("one that answers a request with a body leaves its connection in order", async () => {
        using client = await gateway.connect();
        for (let round = 0; round < 2; round++) {
          await client.send(
            `${wireOf("POST / HTTP/1.1", "Host: gate.test", "X-Gate: closed", "Content-Length: 5")}hello`,
          );
          assertEquals((await client.readResponse({ method: "POST" })).status, 403);
        }
        await client.send(requestFor("gate"));
        assertEquals((await client.readResponse()).status, 200);
      });

      await has("one that answers passes back through those before it", async () => {
        const reply = await gateway.send(requestFor("gate-wait-shout", "X-Wait: answers"));
        assertEquals([reply.status, reply.text, reply.field("x-stamp")], [402, "Waited", "returned"]);
      });

      await has("one that changes the request: its backend sees that", async () => {
        const { fields } = echoOf(await gateway.send(requestFor("gate", "X-Own: 1")));
        assertEquals(fields.filter(([name]) => ["x-stamp", "x-own"].includes(name.toLowerCase())).length, 2);
      });

      await has("one that waits, and a body that comes meanwhile", async () => {
        const reply = await gateway.send(`${wireOf("POST / HTTP/1.1", "Host: wait.test", "Content-Length: 5")}hello`);
        assertEquals(echoOf(reply).bodyLength, 5);
      });

      await has("one that waits for ever ends when the client leaves", async () => {
        const client = await gateway.connect();
        await client.send(wireOf("GET /leaves HTTP/1.1", "Host: wait.test", "X-Wait: for ever"));
        await untilInFlight(gateway, 1);
        gateway.leave(client);
        assertEquals((await accessOf(gateway.sluice, "/leaves")).error, "client_gone");
        await idle();
      });

      await has("one that waits for ever ends when the time of the exchange is over", async () => {
        const reply = await gateway.send(requestFor("wait-hurried", "X-Wait: for ever"));
        assertEquals([reply.status, reply.text.includes("total_timeout")], [504, true]);
        assertEquals(gateway.backend("wait-hurried").requests.length, 0);
      });

      for (
        const [site, field] of [["gate", "X-Gate: throws"], ["wait", "X-Wait: rejects"], [
          "gate",
          "X-Gate: throws back",
        ]]
      ) {
        await has(`one that fails (${field}) costs its own exchange`, async () => {
          const target = `/${encodeURIComponent(field)}`;
          const reply = await gateway.send(wireOf(`GET ${target} HTTP/1.1`, `Host: ${site}.test`, field));
          assertEquals([reply.status, reply.text.includes("internal_error")], [500, true]);
          assertEquals((await accessOf(gateway.sluice, target)).error, "internal_error");
          assertEquals((await gateway.send(requestFor(site))).status, 200);
        });
      }

      await has("one that refuses names the error", async () => {
        const reply = await gateway.send(requestFor("gate", "X-Gate: refuses"));
        assertEquals([reply.status, reply.text.includes("field_name_refused")], [400, true]);
      });

      await has("one that wraps: the length is not promised", async () => {
        const reply = await gateway.send(requestFor("shout"));
        assertEquals([reply.text, reply.framing, reply.field("content-length")], [
          "QUIET",
          engine === "wire" ? "chunked" : reply.framing,
          engine === "wire" ? null : reply.field("content-length"),
        ]);
      });

      await has("one that wraps: HEAD has no body and no length", async () => {
        const reply = await gateway.send(wireOf("HEAD / HTTP/1.1", "Host: shout.test"));
        assertEquals([reply.status, reply.body.length, reply.field("content-length")], [200, 0, null]);
      });

      await has("one that wraps: 304", async () => {
        const reply = await gateway.send(requestFor("shout-same", `If-None-Match: "a"`));
        assertEquals([reply.status, reply.body.length, reply.field("etag")], [304, 0, `"a"`]);
      });

      await has("one that wraps: a body in many pieces, one after the other on a connection", async () => {
        using client = await gateway.connect();
        for (let round = 0; round < 2; round++) {
          await client.send(requestFor("shout-long"));
          assert((await client.readResponse()).text === LONG.toUpperCase(), "every piece, in order");
        }
      });

      await has("one that wraps: trailers keep their place", async () => {
        const reply = await gateway.send(requestFor("shout-chunks", "TE: trailers", "Connection: TE"));
        assertEquals(reply.text, "QUIET");
        if (engine === "wire") assertEquals(reply.trailers.map(([name, value]) => `${name}: ${value}`), ["X-Sum: abc"]);
      });

      await has("one that wraps: what breaks off has no clean end", async () => {
        await assertRejects(() => gateway.send(requestFor("shout-broken")), Error);
      });

      await has("one that wraps: errors of ours", async () => {
        const reply = await gateway.send(requestFor("shout-error"));
        assertEquals([reply.status, reply.text.includes("ERROR: CONNECTION_RESET")], [502, true]);
      });

      await has("one that wraps: fixed responses and redirects", async () => {
        const fixed = await gateway.send(requestFor("gate-shout-fixed"));
        assertEquals([fixed.status, fixed.text, fixed.field("x-stamp")], [200, "FIXED", "returned"]);
        const moved = await gateway.send(requestFor("gate-shout-moved"));
        assertEquals([moved.field("location"), moved.field("x-stamp")], ["/there", "returned"]);
      });

      await has("one that wraps: 101, and what follows it", async () => {
        using client = await gateway.connect();
        await client.send(handshake("/").replace("a.test", "gate-shout-ws.test"));
        const reply = await client.readResponse();
        assertEquals([reply.status, reply.field("x-stamp")], [101, "returned, returned"]);
        await client.send(encodeFrame(Opcode.text, new TextEncoder().encode("quiet"), MASK));
        const bytes = await client.source.readSome(64 * 1024);
        assertEquals(new FrameDecoder({ messageBytesMax: 1024 }).push(bytes!).map(textOf), ["quiet"]);
      });

      await has("what concerns every route comes before them, hops to a backend behind them", async () => {
        const traced = await gateway.send(wireOf("TRACE / HTTP/1.1", "Host: gate.test"));
        assertEquals([traced.status, traced.field("x-stamp")], [405, null]);
        const last = await gateway.send(wireOf("OPTIONS / HTTP/1.1", "Host: gate.test", "Max-Forwards: 0"));
        assertEquals([last.status, last.body.length, last.field("x-stamp")], [200, 0, "returned"]);
        const closed = await gateway.send(wireOf("OPTIONS / HTTP/1.1", "Host: gate.test", "X-Gate: closed"));
        assertEquals(closed.status, 403);
      });

      await has("explain names them", async () => {
        const admin = await AdminClient.of(gateway.sluice);
        const asked = JSON.stringify({ method: "GET", url: "http://gate-wait-shout.test/", fields: [] });
        const { view } = await admin.ask<{ lines: string[] }>("POST /api/explain", asked);
        assertEquals(view.lines.filter((line) => line.includes("filters")), ["passes filters: gate, wait, shout"]);
      });

      await has("a route without filters has none of it", async () => {
        const reply = await gateway.send(requestFor("plain", "X-Gate: closed", "X-Wait: for ever"));
        assertEquals([reply.status, reply.field("x-stamp")], [200, null]);
      });

      await has("nothing is left in flight", idle);
    });
  }
}
