/** `Max-Forwards` (RFC 9110 §7.6.2): counted down for OPTIONS and TRACE, and the end of those that may go no further. */

import { assertEquals } from "../support/assert.ts";
import { answer } from "../support/backend_scripts.ts";
import { ENGINES, Gateway, type Site, wireOf } from "../support/gateway_stage.ts";

const SITES: readonly Site[] = [
  { name: "plain" },
  {
    name: "retried",
    script: answer("HTTP/1.1 503 Not Now\r\nContent-Length: 0\r\n\r\n"),
    upstream: `retry.attempts = 2\nretry.on = ["503"]`,
  },
  { name: "removed", route: `request_headers = { remove = ["max-forwards"] }` },
  { name: "own", route: `request_headers = { set = { max-forwards = "7" } }` },
  { name: "edited", route: `response_headers = { set = { x-edge = "1" } }` },
  { name: "traced", route: 'methods = ["TRACE"]' },
  { name: "fixed", action: `respond = { status = 203, body = "fixed\\n" }` },
];

interface Row {
  readonly name: string;
  readonly site?: string;
  /** Method and target. */
  readonly line: string;
  readonly fields: readonly string[];
  /** Values that the backend gets; null: it gets no request. */
  readonly passed: readonly string[] | null;
  readonly status?: number;
}

const ROWS: readonly Row[] = [
  { name: "OPTIONS is counted down", line: "OPTIONS /x", fields: ["Max-Forwards: 5"], passed: ["4"] },
  { name: "OPTIONS * too", line: "OPTIONS *", fields: ["Max-Forwards: 1"], passed: ["0"] },
  { name: "in any case of the name", line: "OPTIONS /x", fields: ["max-FORWARDS: 10"], passed: ["9"] },
  { name: "leading zeros are digits like others", line: "OPTIONS /x", fields: ["Max-Forwards: 003"], passed: ["2"] },
  {
    name: "more than we can count is what we can count",
    line: "OPTIONS /x",
    fields: ["Max-Forwards: 99999999999999999999"],
    passed: ["2147483647"],
  },
  { name: "OPTIONS without it goes on without it", line: "OPTIONS /x", fields: [], passed: [] },
  { name: "OPTIONS that may go no further", line: "OPTIONS /x", fields: ["Max-Forwards: 0"], passed: null },
  { name: "OPTIONS * that may go no further", line: "OPTIONS *", fields: ["Max-Forwards: 0"], passed: null },
  { name: "zero, however it is written", line: "OPTIONS /x", fields: ["Max-Forwards: 000"], passed: null },
  {
    name: "what is no number is refused",
    line: "OPTIONS /x",
    fields: ["Max-Forwards: many"],
    passed: null,
    status: 400,
  },
  { name: "so is a sign", line: "OPTIONS /x", fields: ["Max-Forwards: -1"], passed: null, status: 400 },
  { name: "so is nothing", line: "OPTIONS /x", fields: ["Max-Forwards:"], passed: null, status: 400 },
  {
    name: "so are two of them",
    line: "OPTIONS /x",
    fields: ["Max-Forwards: 3", "Max-Forwards: 3"],
    passed: null,
    status: 400,
  },
  {
    name: "Connection can't take it away",
    line: "OPTIONS /x",
    fields: ["Max-Forwards: 5", "Connection: Max-Forwards"],
    passed: ["4"],
  },
  {
    name: "but from other methods, where it is a field as any",
    line: "GET /x",
    fields: ["Max-Forwards: 5", "Connection: Max-Forwards"],
    passed: [],
  },
  {
    name: "a Connection that is no list is refused before",
    line: "OPTIONS /x",
    fields: ["Max-Forwards: 0", "Connection: a b"],
    passed: null,
    status: 400,
  },
  {
    name: "also where the answer is ours",
    site: "fixed",
    line: "GET /x",
    fields: ["Connection: a b"],
    passed: null,
    status: 400,
  },
  { name: "other methods keep theirs", line: "GET /x", fields: ["Max-Forwards: 0"], passed: ["0"] },
  { name: "even one that is no number", line: "GET /x", fields: ["Max-Forwards: many"], passed: ["many"] },
  {
    name: "a route may remove it",
    site: "removed",
    line: "OPTIONS /x",
    fields: ["Max-Forwards: 5"],
    passed: [],
  },
  { name: "or set its own", site: "own", line: "OPTIONS /x", fields: ["Max-Forwards: 5"], passed: ["7"] },
  {
    name: "which makes the request no longer one that may go on",
    site: "own",
    line: "OPTIONS /x",
    fields: ["Max-Forwards: 0"],
    passed: null,
  },
  {
    name: "an answer of our own is that of the last one anyway",
    site: "fixed",
    line: "OPTIONS /x",
    fields: ["Max-Forwards: 0"],
    passed: null,
    status: 203,
  },
];

/** `Deno.serve` hands TRACE on as any method. */
const TRACE_ROWS: readonly Row[] = [
  { name: "TRACE is counted down", site: "traced", line: "TRACE /x", fields: ["Max-Forwards: 2"], passed: ["1"] },
  {
    name: "TRACE that may go no further is not reflected: it would show a page what its script must not read",
    site: "traced",
    line: "TRACE /x",
    fields: ["Max-Forwards: 0", "Cookie: secret=1"],
    passed: null,
    status: 501,
  },
  {
    name: "TRACE on a route that does not name it is refused before",
    line: "TRACE /x",
    fields: ["Max-Forwards: 0"],
    passed: null,
    status: 405,
  },
];

for (const engine of ENGINES) {
  Deno.test(`${engine}: Max-Forwards`, async (test) => {
    await using gateway = await Gateway.start({ engine, sites: SITES });
    for (const { name, site = "plain", line, fields, passed, status = 200 } of [...ROWS, ...TRACE_ROWS]) {
      await test.step(name, async () => {
        const before = site === "fixed" ? 0 : gateway.backend(site).requests.length;
        const response = await gateway.send(wireOf(`${line} HTTP/1.1`, `Host: ${site}.test`, ...fields));
        assertEquals(response.status, status, response.text);
        const requests = site === "fixed" ? [] : gateway.backend(site).requests.slice(before);
        assertEquals(requests.length, passed === null ? 0 : 1);
        if (passed !== null) {
          const values = requests[0].fields.filter(([field]) => field.toLowerCase() === "max-forwards");
          assertEquals(values.map(([, value]) => value), [...passed]);
        }
      });
    }
    await test.step("a request that is sent again has come no further", async () => {
      await gateway.send(wireOf("OPTIONS /x HTTP/1.1", "Host: retried.test", "Max-Forwards: 5"));
      const values = gateway.backend("retried").requests.map((request) => request.field("max-forwards"));
      assertEquals(values, ["4", "4"]);
    });
    await test.step("the same fields mean something for one method, and nothing for the next", async () => {
      using client = await gateway.connect();
      const before = gateway.backend("plain").requests.length;
      const methods = ["GET", "GET", "GET", "OPTIONS", "OPTIONS", "GET", "OPTIONS", "GET"];
      for (const method of methods) {
        await client.send(wireOf(`${method} /x HTTP/1.1`, "Host: plain.test", "Max-Forwards: 5"));
        assertEquals((await client.readResponse()).status, 200);
      }
      const values = gateway.backend("plain").requests.slice(before).map((request) => request.field("max-forwards"));
      assertEquals(values, methods.map((method) => method === "GET" ? "5" : "4"));
    });
    await test.step("what follows the body of one that ends here is the next request", async () => {
      using client = await gateway.connect();
      const inner = wireOf("GET /smuggled HTTP/1.1", "Host: plain.test");
      const length = `Content-Length: ${inner.length}`;
      const before = gateway.backend("plain").requests.length;
      await client.send(
        wireOf("OPTIONS /x HTTP/1.1", "Host: plain.test", "Max-Forwards: 0", length) + inner +
          wireOf("GET /next HTTP/1.1", "Host: plain.test"),
      );
      assertEquals((await client.readResponse({ method: "OPTIONS" })).status, 200);
      assertEquals((await client.readResponse()).status, 200);
      assertEquals(gateway.backend("plain").requests.slice(before).map(({ target }) => target), ["/next"]);
    });
    await test.step("a trailer does not bring it back", async () => {
      const fields = ["Host: plain.test", "Max-Forwards: 5", "Transfer-Encoding: chunked"];
      const body = "1\r\na\r\n0\r\nMax-Forwards: 99\r\nX-Sum: 1\r\n\r\n";
      assertEquals((await gateway.send(wireOf("OPTIONS /x HTTP/1.1", ...fields) + body)).status, 200);
      const { trailers } = gateway.seen("plain");
      assertEquals(trailers, engine === "wire" ? [["X-Sum", "1"]] : []); // Deno throws them away
    });
    await test.step("the answer of the last one: nothing, with a length and what the route adds", async () => {
      const response = await gateway.send(wireOf("OPTIONS /x HTTP/1.1", "Host: edited.test", "Max-Forwards: 0"));
      assertEquals([response.status, response.text], [200, ""]);
      assertEquals(response.fieldLines("content-length"), ["0"]);
      assertEquals(response.fieldLines("x-edge"), ["1"]);
    });
  });
}
