/**
 * The corpus in tests/conformance/, sent over real sockets through the real process: hostile requests to careless
 * backends, hostile responses to strict clients. docs/wire.md is its summary.
 */

import { assertEquals } from "../support/assert.ts";
import { ONE_WORKER } from "../support/workers.ts";
import type { Gateway } from "../support/gateway_stage.ts";
import { type EngineName, ENGINES } from "./case.ts";
import { REQUEST_GROUPS } from "./corpus.ts";
import { runIdleJunk, runResponseCase } from "./response_stage.ts";
import { RESPONSES } from "./responses.ts";
import {
  ask,
  CARELESS_SITES,
  PIPED_SITES,
  pipedSite,
  runRequestCase,
  runSlowPipeline,
  startConformance,
} from "./stage.ts";

const IDLE_JUNK: Readonly<Record<string, string>> = {
  "a response": "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
  "a 408, as some backends send it before they close": "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
  "one byte": "x",
  "an empty line": "\r\n",
};

let folder = "";
let gateway: Gateway | null = null;

Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir({ prefix: "sluice_test_" });
  // Whether what is left on a backend's connection meets the next client needs one pool: each worker has its own.
  gateway = await startConformance(folder, ONE_WORKER);
});

Deno.test.afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
});

function wireTest(name: string, fn: (gateway: Gateway) => Promise<void>): void {
  // The process and its backends outlive each case; what they hold is looked at when the gateway is disposed of.
  Deno.test({ name, fn: () => fn(gateway!), sanitizeOps: false, sanitizeResources: false });
}

/** All that is sent to `wire` is sent where requests are pipelined, too. */
interface Way {
  readonly name: string;
  readonly engine: EngineName;
  readonly isPiped: boolean;
}

const WAYS: readonly Way[] = [
  ...ENGINES.map((engine) => ({ name: engine, engine, isPiped: false })),
  { name: "wire, pipelining", engine: "wire", isPiped: true },
];

for (const { name: way, engine, isPiped } of WAYS) {
  const site = isPiped ? "q" : "r";
  const careless = isPiped ? PIPED_SITES : CARELESS_SITES;
  // A backend that breaks the order is not trusted any more: each hostile response has a site of its own.
  const siteOf = (index: number) => isPiped ? pipedSite(index) : site;
  for (const [group, rows] of Object.entries(REQUEST_GROUPS)) {
    for (const row of rows) {
      const expected = row.observed?.[engine] ?? row;
      wireTest(
        `${way}: ${group}: ${row.name} (${row.rule}) → ${expected.client}`,
        (gateway) => runRequestCase(gateway, row, { engine, sites: careless, expected }),
      );
    }
  }
  wireTest(
    `${way}: a body in pieces behind a slow request arrives in order (RFC 9112 §9.3.2)`,
    (gateway) => runSlowPipeline(gateway, engine, site),
  );
  for (const [index, row] of RESPONSES.entries()) {
    wireTest(
      `${way}: response: ${row.name} (${row.rule}) → ${row.client}`,
      (gateway) => runResponseCase(gateway, engine, row, siteOf(index)),
    );
  }
  for (const [name, junk] of Object.entries(IDLE_JUNK)) {
    wireTest(
      `${way}: response: ${name} on an idle connection answers nobody (RFC 9112 §9.3)`,
      (gateway) => runIdleJunk(gateway, engine, junk, site),
    );
  }
}

// The scheme of Deno's URLs is another one there, and was refused with those that are not HTTP.
for (const engine of ENGINES) {
  wireTest(`${engine}: a Unix socket takes plain requests and refuses bad ones`, async (gateway) => {
    const listener = `${engine}_unix`;
    using client = await gateway.connect(listener);
    assertEquals(await ask(client, "a", "/unix"), "200 GET /unix");
    const refused = await gateway.send("GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", listener);
    assertEquals(refused.status, 400);
  });
}
