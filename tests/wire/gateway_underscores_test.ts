/**
 * Names that a backend may read as another one: CGI and its descendants take "_" for "-", some whatever is no letter and no
 * digit. `server.underscores`, and what a route removes or sets.
 */

import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { type Engine, ENGINES, Gateway, requestFor, type Site, wireOf } from "../support/gateway_stage.ts";

const EDITED = `
request_headers.remove = ["X-Auth-User", "y_role"]
request_headers.set = { "X-Tenant" = "ours" }
request_headers.add = { "z_added" = "1" }`;

const SITES: readonly Site[] = [
  { name: "plain" },
  { name: "edited", route: EDITED },
  { name: "asked", route: 'headers = { "x_beta" = "1" }' },
  { name: "fixed", action: `respond = { status = 203, body = "x" }` },
];
const LISTENERS = Object.fromEntries(ENGINES.map((engine) => [engine, `engine = "${engine}"`]));

const SEPARATORS = [..."!#$%&'*+.^`|~"];
/** Spellings of names that a route takes away or sets, and of what `Proxy` and our own fields are taken for. */
const FORGED = [
  ...["X-Auth-User", "X_Auth_User", "x_auth-user", "X-AUTH_USER"],
  ...SEPARATORS.map((separator) => `X${separator}Auth${separator}User`),
  ...["Y_Role", "Y-Role", "Y.Role", "X-Tenant", "X_Tenant", "x.tenant"],
];
const ALWAYS_FORGED = [
  ...["Proxy", "PROXY", "X_Forwarded_For", "X.Forwarded.For", "x-forwarded~for", "X.Real.IP", "x*request*id"],
  ...["Proxy_Authorization", "Proxy.Connection", "Transfer.Encoding", "Content|Length", "Keep_Alive"],
];
const PLAIN = ["X-Other", "X.Dotted", "X~Tilde", "Accept-Thing"];
const UNDERSCORED = ["X_Other", "_", "a_b-c", "X_"];

function lines(names: readonly string[]): string[] {
  return names.map((name) => `${name}: forged`);
}

/** Names with the value that was sent, as they come to the backend. */
function passed(gateway: Gateway, site: string): string[] {
  return gateway.seen(site).fields.filter(([, value]) => value === "forged").map(([name]) => name.toLowerCase()).sort();
}

function lower(names: readonly string[]): string[] {
  return names.map((name) => name.toLowerCase()).sort();
}

for (const underscores of ["drop", "keep", "refuse"] as const) {
  Deno.test(`underscores = "${underscores}"`, async (test) => {
    const server = underscores === "drop" ? "" : `underscores = "${underscores}"`;
    await using gateway = await Gateway.start({ sites: SITES, listeners: LISTENERS, server });
    for (const engine of ENGINES) {
      await test.step(`${engine}: plain names pass, and what only looks like ours does not`, async () => {
        const names = underscores === "refuse" ? ["Proxy", ...PLAIN] : [...PLAIN, ...ALWAYS_FORGED];
        const response = await gateway.send(requestFor("plain", ...lines(names)), engine);
        assertEquals(response.status, 200, response.text);
        assertEquals(passed(gateway, "plain"), lower(PLAIN));
      });
      await test.step(`${engine}: what a route removes or sets falls whatever parts its name`, async () => {
        const names = underscores === "refuse" ? FORGED.filter((name) => !name.includes("_")) : FORGED;
        const response = await gateway.send(requestFor("edited", ...lines([...names, ...PLAIN])), engine);
        assertEquals(response.status, 200, response.text);
        assertEquals(passed(gateway, "edited"), lower(PLAIN));
        const { fields } = gateway.seen("edited");
        assertEquals(fields.filter(([, value]) => value === "ours" || value === "1").map(([name]) => name), [
          "x-tenant",
          "z_added",
        ]);
      });
      if (underscores === "refuse") await refusals(test, gateway, engine);
      else await others(test, gateway, { engine, passes: underscores === "keep" });
    }
  });
}

async function others(
  test: Deno.TestContext,
  gateway: Gateway,
  { engine, passes }: { engine: Engine; passes: boolean },
): Promise<void> {
  await test.step(`${engine}: others with "_" ${passes ? "pass" : "stay behind"}, also when they come again`, async () => {
    using client = await gateway.connect(engine);
    for (let round = 0; round < 5; round++) {
      await client.send(requestFor("plain", ...lines([...UNDERSCORED, "X-Other"])));
      assertEquals((await client.readResponse()).status, 200);
      assertEquals(passed(gateway, "plain"), lower(passes ? [...UNDERSCORED, "X-Other"] : ["X-Other"]));
    }
  });
  await test.step(`${engine}: a route may ask for one`, async () => {
    assertEquals((await gateway.send(requestFor("asked", "X_Beta: 1"), engine)).status, 200);
    assertEquals((await gateway.send(requestFor("asked", "X-Beta: 1"), engine)).status, 404);
  });
  if (engine !== "wire") return; // Deno shows no trailers
  await test.step(`${engine}: trailers likewise`, async () => {
    const trailers = [...FORGED, ...ALWAYS_FORGED, ...UNDERSCORED, ...PLAIN].filter((name) =>
      !/^(?:transfer|content)-/i.test(name)
    );
    const head = wireOf("POST / HTTP/1.1", "Host: edited.test", "Transfer-Encoding: chunked");
    await gateway.send(`${head}1\r\nx\r\n0\r\n${lines(trailers).join("\r\n")}\r\n\r\n`, engine);
    const names = gateway.seen("edited").trailers.map(([name]) => name.toLowerCase()).sort();
    assertEquals(names, lower([...PLAIN, ...(passes ? UNDERSCORED : [])]));
  });
}

async function refusals(test: Deno.TestContext, gateway: Gateway, engine: Engine): Promise<void> {
  for (const name of [...UNDERSCORED, "X_Auth_User", "X_Forwarded_For", "X.Forwarded.For", "Content_Length"]) {
    await test.step(`${engine}: ${name} is refused`, async () => {
      for (const site of ["plain", "edited", "fixed"]) {
        const before = site === "fixed" ? 0 : gateway.backend(site).requests.length;
        const response = await gateway.send(requestFor(site, `${name}: 1`), engine);
        assertEquals(response.status, 400);
        assertStringIncludes(response.text, "field_name_refused");
        assertEquals(site === "fixed" ? 0 : gateway.backend(site).requests.length, before);
      }
    });
  }
  await test.step(`${engine}: on a connection that goes on`, async () => {
    using client = await gateway.connect(engine);
    for (const [line, status] of [["X-A: 1", 200], ["X_A: 1", 400], ["X-A: 1", 200], ["X_A: 1", 400]] as const) {
      await client.send(requestFor("plain", line));
      assertEquals((await client.readResponse()).status, status);
    }
  });
  if (engine !== "wire") return;
  await test.step(`${engine}: in trailers, which come too late for that, they stay behind`, async () => {
    const head = wireOf("POST / HTTP/1.1", "Host: plain.test", "Transfer-Encoding: chunked");
    const response = await gateway.send(`${head}1\r\nx\r\n0\r\nX_A: 1\r\nX-A: 1\r\n\r\n`, engine);
    assertEquals(response.status, 200);
    assertEquals(gateway.seen("plain").trailers.map(([name]) => name.toLowerCase()), ["x-a"]);
  });
}
