/** Target and Host on their way to a backend, and the answers that a route gives by itself. */

import { assertEquals } from "../support/assert.ts";
import { ENGINES, Gateway, isFor, type OnlyFor, type Site, wireOf } from "../support/gateway_stage.ts";

const SITES: readonly Site[] = [
  { name: "plain" },
  { name: "own", upstream: `host = "backend"` },
  { name: "literal", upstream: `host = "inside.example:8443"` },
  { name: "moved", route: `path = "/old/*"\nrewrite = "/new/*"` },
  { name: "user", route: `path = "/users/:id"\nrewrite = "/u?id=:id"` },
  { name: "gone", action: `redirect = { to = "https://www.example.com/*", status = 301 }` },
  {
    name: "fixed",
    action: `respond = { status = 203, body = "fixed\\n", headers = { content-type = "text/plain" } }`,
    route: `response_headers = { set = { x-edge = "1" }, remove = ["content-type"] }`,
  },
  { name: "empty", action: `respond = { status = 204, body = "" }` },
];

interface TargetRow {
  readonly name: string;
  /** Method and target. */
  readonly line: string;
  readonly host?: string;
  readonly target: string;
  readonly authority?: string;
}

const TARGET_ROWS: readonly TargetRow[] = [
  { name: "dot segments stay", line: "GET /a/../b/./c", target: "/a/../b/./c" },
  {
    name: "percent-encoding is neither undone nor done",
    line: "GET /%2e%2e/%41%2F?x=%41",
    target: "/%2e%2e/%41%2F?x=%41",
  },
  { name: "broken percent-encoding stays", line: "GET /%zz%", target: "/%zz%" },
  { name: "double slashes stay", line: "GET //a//b//", target: "//a//b//" },
  { name: "an authority in the path stays path", line: "GET //evil.test/x", target: "//evil.test/x" },
  { name: "a backslash stays", line: "GET /c\\d", target: "/c\\d" },
  { name: "an empty query stays", line: "GET /a?", target: "/a?" },
  { name: "a query with question marks stays", line: "GET /a?b?c=?", target: "/a?b?c=?" },
  {
    name: "characters that a URL class would encode stay",
    line: `GET /^\`{}[]'?&|"<>^\`{}`,
    target: `/^\`{}[]'?&|"<>^\`{}`,
  },
  {
    name: "all of it together",
    line: `GET /a/../b/%2e%2e//c\\d?x=%41&|"<>`,
    target: `/a/../b/%2e%2e//c\\d?x=%41&|"<>`,
  },
  { name: "a port in the path stays path", line: "GET /:80/", target: "/:80/" },
  { name: "the asterisk form (RFC 9112 §3.2.4)", line: "OPTIONS *", target: "*" },
  { name: "absolute form becomes origin form (RFC 9112 §3.2.2)", line: "GET http://plain.test/x?y", target: "/x?y" },
  { name: "absolute form without a path", line: "GET http://plain.test", target: "/" },
  { name: "absolute form with a query only", line: "GET http://plain.test?q", target: "/?q" },
  {
    name: "absolute form's authority goes before Host (RFC 9112 §3.2.2)",
    line: "GET http://plain.test/x",
    host: "fixed.test",
    target: "/x",
  },
  {
    name: "a port of Host is passed on",
    line: "GET /",
    host: "plain.test:8080",
    target: "/",
    authority: "plain.test:8080",
  },
  {
    name: "Host is matched in any case and passed on as it came",
    line: "GET /",
    host: "PLAIN.test",
    target: "/",
    authority: "PLAIN.test",
  },
  { name: "methods are case-sensitive and passed on (RFC 9110 §9.1)", line: "get /", target: "/" },
  { name: "unknown methods are passed on", line: "PURGE /x", target: "/x" },
];

const REFUSED_TARGETS: readonly (OnlyFor & { name: string; line: string })[] = [
  { name: "a fragment (RFC 9112 §3.2)", line: "GET /a#b HTTP/1.1" },
  { name: "a space", line: "GET /a b HTTP/1.1" },
  { name: "a control character", line: "GET /a\x01 HTTP/1.1" },
  {
    name: "a byte above 127",
    line: "GET /\xe9 HTTP/1.1",
    only: { engine: "serve", why: "Deno.serve cannot take it; wire passes bytes" },
  },
  { name: "no target", line: "GET HTTP/1.1" },
  { name: "a relative target", line: "GET a/b HTTP/1.1" },
  { name: "userinfo in the authority (RFC 9110 §4.2.4)", line: "GET http://me@plain.test/ HTTP/1.1" },
];

interface RouteRow {
  readonly name: string;
  readonly host: string;
  readonly line: string;
  readonly target: string;
}

const REWRITE_ROWS: readonly RouteRow[] = [
  {
    name: "a prefix is replaced, the rest stays as it came",
    host: "moved.test",
    line: "/old/a%2Fb/../c?d=%41",
    target: "/new/a%2Fb/../c?d=%41",
  },
  {
    name: "slashes behind the prefix make no authority",
    host: "moved.test",
    line: "/old//evil.test",
    target: "/new//evil.test",
  },
  {
    name: "a parameter goes into the query, before the client's",
    host: "user.test",
    line: "/users/7?a=1",
    target: "/u?id=7&a=1",
  },
  {
    name: "a parameter cannot add parameters",
    host: "user.test",
    line: "/users/7&admin=1",
    target: "/u?id=7%26admin%3D1",
  },
];

const REDIRECT_ROWS: readonly { target: string; location: string }[] = [
  { target: "/a/b?c=d", location: "https://www.example.com/a/b?c=d" },
  { target: "//evil.test/x", location: "https://www.example.com/evil.test/x" },
  { target: "/", location: "https://www.example.com/" },
];

for (const engine of ENGINES) {
  Deno.test(`${engine}: target, Host and routes that answer by themselves`, async (test) => {
    await using gateway = await Gateway.start({ engine, sites: SITES });

    await targetSteps(test, gateway);
    await routeSteps(test, gateway);
  });
}

async function targetSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (const { name, line, host = "plain.test", target, authority = "plain.test" } of TARGET_ROWS) {
    await test.step(`target: ${name}`, async () => {
      const response = await gateway.send(wireOf(`${line} HTTP/1.1`, `Host: ${host}`));
      assertEquals(response.status, 200, response.text);
      const seen = gateway.seen("plain");
      assertEquals([`${seen.method} ${seen.target}`, seen.version], [`${line.split(" ")[0]} ${target}`, "HTTP/1.1"]);
      assertEquals(seen.fieldLines("host"), [authority]);
    });
  }

  for (const { name, line } of REFUSED_TARGETS.filter(isFor(gateway.engine))) {
    await test.step(`target: refused with 400 is ${name}`, async () => {
      const before = gateway.backend("plain").requests.length;
      assertEquals((await gateway.send(wireOf(line, "Host: plain.test"))).status, 400);
      assertEquals(gateway.backend("plain").requests.length, before);
    });
  }

  await test.step("host = preserve sends the client's, backend its own, a name that name", async () => {
    for (const site of ["plain", "own", "literal"]) {
      await gateway.send(wireOf("GET / HTTP/1.1", `Host: ${site}.test:81`));
      const expected = { plain: "plain.test:81", own: gateway.backend("own").address, literal: "inside.example:8443" };
      assertEquals(gateway.seen(site).fieldLines("host"), [expected[site as keyof typeof expected]]);
      assertEquals(gateway.seen(site).field("x-forwarded-host"), `${site}.test:81`);
    }
  });
}

async function routeSteps(test: Deno.TestContext, gateway: Gateway): Promise<void> {
  for (const { name, host, line, target } of REWRITE_ROWS) {
    await test.step(`rewrite: ${name}`, async () => {
      const response = await gateway.send(wireOf(`GET ${line} HTTP/1.1`, `Host: ${host}`));
      assertEquals(response.status, 200, response.text);
      assertEquals(gateway.seen(host.split(".")[0]).target, target);
    });
  }

  for (const { target, location } of REDIRECT_ROWS) {
    await test.step(`redirect: ${target} leads to ${location}`, async () => {
      const response = await gateway.send(wireOf(`GET ${target} HTTP/1.1`, "Host: gone.test"));
      assertEquals([response.status, response.field("location"), response.text], [301, location, ""]);
    });
  }

  await test.step("respond: status, body and edited fields", async () => {
    const response = await gateway.send(wireOf("GET / HTTP/1.1", "Host: fixed.test"));
    assertEquals([response.status, response.text, response.framing], [203, "fixed\n", "length"]);
    assertEquals([response.field("x-edge"), response.field("content-type")], ["1", null]);
  });

  await test.step("respond: HEAD gets the length and no body (RFC 9110 §9.3.2)", async () => {
    const response = await gateway.send(wireOf("HEAD / HTTP/1.1", "Host: fixed.test"));
    assertEquals([response.status, response.field("content-length"), response.text], [203, "6", ""]);
  });

  await test.step("respond: a 204 has neither body nor length (RFC 9110 §8.6)", async () => {
    using client = await gateway.connect();
    const wire = wireOf("GET / HTTP/1.1", "Host: empty.test");
    await client.send(wire + wire);
    for (const _ of "12") assertEquals((await client.readResponse()).status, 204);
  });

  await test.step("a body for a route that answers by itself leaves the connection usable", async () => {
    using client = await gateway.connect();
    await client.send(wireOf("POST / HTTP/1.1", "Host: fixed.test", "Content-Length: 5") + "hello");
    assertEquals((await client.readResponse()).status, 203);
    await client.send(wireOf("GET /next HTTP/1.1", "Host: plain.test"));
    assertEquals((await client.readResponse()).status, 200);
    assertEquals(gateway.seen("plain").target, "/next");
  });
}
