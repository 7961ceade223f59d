/** What a backend's response says beside its body reaches the client by both engines: HEAD, and the fields of a 101. */

import { acceptOf } from "../../lib/websocket/handshake.ts";
import { ENGINES, Gateway, requestFor, type Site, wireOf } from "../support/gateway_stage.ts";
import { handshake } from "./raw_websocket.ts";
import { assertEquals } from "../support/assert.ts";
import { answer, hang, type Script } from "../support/backend_scripts.ts";

/** Never have a body, and a `Response` takes none for them. */
const BODILESS = [204, 304];

/** Agrees to a WebSocket, with fields of its own. */
const agreeWithFields: Script = async (exchange) => {
  const accept = await acceptOf(exchange.request.field("sec-websocket-key") ?? "");
  await exchange.write(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-Hop\r\nUpgrade: websocket\r\nX-Hop: 1\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\nX-Own: grüße\r\n` +
      "X-Removed: 1\r\n\r\n",
  );
  await hang()(exchange);
};

for (const engine of ENGINES) {
  Deno.test(`${engine}: HEAD of a response without a length gets none (RFC 9110 §8.6)`, async () => {
    const sites: Site[] = [
      { name: "untold", script: answer("HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n") },
      { name: "chunks", script: answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") },
      { name: "told", script: answer("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n") },
      { name: "empty", script: answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") },
      ...BODILESS.map((status) => ({ name: `s${status}`, script: answer(`HTTP/1.1 ${status} X\r\n\r\n`) })),
    ];
    await using gateway = await Gateway.start({ engine, sites });
    using client = await gateway.connect();
    for (const [site, length] of [["untold", null], ["chunks", null], ["told", "77"], ["empty", "0"]] as const) {
      await client.send(wireOf("HEAD / HTTP/1.1", `Host: ${site}.test`));
      const { status, fields, text } = await client.readResponse({ method: "HEAD" });
      const declared = fields.find(([name]) => name.toLowerCase() === "content-length");
      assertEquals({ status, length: declared?.[1] ?? null, text }, { status: 200, length, text: "" }, site);
    }
    for (const status of BODILESS) {
      await client.send(wireOf("HEAD / HTTP/1.1", `Host: s${status}.test`));
      assertEquals((await client.readResponse({ method: "HEAD" })).status, status);
    }
    // The connection is still in step.
    await client.send(requestFor("told", "Connection: close"));
    assertEquals((await client.readResponseHead()).status, 200);
  });

  Deno.test(`${engine}: fields of a backend's 101 reach the client`, async () => {
    const site: Site = {
      name: "a",
      script: agreeWithFields,
      upstream: `strategy = "sticky"`,
      route: `response_headers = { set = { x-route = "r" }, remove = ["x-removed"] }`,
    };
    await using gateway = await Gateway.start({ engine, sites: [site] });
    using client = await gateway.connect();
    await client.send(handshake("/"));
    const { status, fields } = await client.readResponse();
    assertEquals(status, 101);
    const lines = fields.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
    const own = lines.filter((line) => /^(set-cookie: [ab]=|x-)/.test(line)).sort();
    assertEquals(own, ["set-cookie: a=1", "set-cookie: b=2; Path=/", "x-own: grüße", "x-route: r"]);
    assertEquals(lines.filter((line) => line.startsWith("set-cookie: ")).length, 3, "and the sticky cookie");
    for (const name of ["connection", "upgrade", "sec-websocket-accept"]) {
      assertEquals(lines.filter((line) => line.startsWith(`${name}: `)).length, 1, name);
    }
  });
}
