/** TRACE (RFC 9110 §9.3.8) shows its sender what a backend got, with what was added for it: only where a route asks for it. */

import { assert, assertEquals } from "../support/assert.ts";
import { ENGINES, Gateway, type Site, wireOf } from "../support/gateway_stage.ts";

const SECRET = `request_headers = { set = { authorization = "Basic c2VjcmV0" } }`;
const SITES: readonly Site[] = [
  { name: "plain", route: SECRET },
  { name: "named", route: `methods = ["TRACE", "GET"]\n${SECRET}` },
  { name: "others", route: `methods = ["GET", "PUT"]\n${SECRET}` },
  { name: "fixed", action: `respond = { status = 203, body = "x" }` },
  { name: "moved", action: `redirect = { to = "/elsewhere", status = 302 }` },
];

Deno.test("TRACE passes only where a route's methods name it", async (test) => {
  const listeners = Object.fromEntries(ENGINES.map((engine) => [engine, `engine = "${engine}"`]));
  await using gateway = await Gateway.start({ sites: SITES, listeners });
  for (const engine of ENGINES) {
    for (const site of ["plain", "fixed", "moved"]) {
      for (const method of ["TRACE", "trace"]) {
        await test.step(`${engine}: ${method} to ${site} is answered 405`, async () => {
          const response = await gateway.send(wireOf(`${method} /x HTTP/1.1`, `Host: ${site}.test`), engine);
          assertEquals(response.status, 405);
          assert(response.text.includes("method_not_allowed"));
          assertEquals(response.field("allow"), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
          if (site === "plain") assertEquals(gateway.backend("plain").requests.length, 0);
        });
      }
    }
    await test.step(`${engine}: a route for others does not match`, async () => {
      const response = await gateway.send(wireOf("TRACE /x HTTP/1.1", "Host: others.test"), engine);
      assertEquals(response.status, 404);
    });
    await test.step(`${engine}: a route that names it passes it on`, async () => {
      const response = await gateway.send(wireOf("TRACE /x HTTP/1.1", "Host: named.test"), engine);
      assertEquals(response.status, 200);
      assertEquals(gateway.seen("named").method, "TRACE");
    });
    await test.step(`${engine}: behind it the connection goes on`, async () => {
      using client = await gateway.connect(engine);
      for (const [method, status] of [["TRACE", 405], ["GET", 203], ["TRACE", 405]] as const) {
        await client.send(wireOf(`${method} /x HTTP/1.1`, "Host: fixed.test"));
        assertEquals((await client.readResponse()).status, status);
      }
    });
  }
});
