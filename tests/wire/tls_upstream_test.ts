/** Backends behind TLS, and behind a Unix socket: who is believed, what a failure is called, what is kept open. */

import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import type { BackendConnection } from "../support/backend_exchange.ts";
import { echo, echoOf, response } from "../support/backend_scripts.ts";
import { CertificateAuthority, testCertificates } from "../support/certificates.ts";
import { MutualTlsBackend } from "../support/mutual_tls_backend.ts";
import { get } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { accessOf, connect, listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";

const HOUR_MS = 3_600_000;

interface FailureCase {
  readonly name: string;
  readonly upstream: string;
  readonly type: string;
  readonly code: string;
}

const FAILURES: readonly FailureCase[] = [
  {
    name: "a certificate for another name",
    upstream: "wrong_name",
    type: "tls_certificate_error",
    code: "tls_certificate_invalid",
  },
  {
    name: "an authority that nobody named",
    upstream: "unknown_ca",
    type: "tls_certificate_error",
    code: "tls_certificate_invalid",
  },
  {
    name: "an authority other than the one named",
    upstream: "other_ca",
    type: "tls_certificate_error",
    code: "tls_certificate_invalid",
  },
  {
    name: "an expired certificate",
    upstream: "expired",
    type: "tls_certificate_error",
    code: "tls_certificate_invalid",
  },
  {
    name: "a certificate that is not valid yet",
    upstream: "early",
    type: "tls_certificate_error",
    code: "tls_certificate_invalid",
  },
  {
    name: "a server_name that the certificate does not have",
    upstream: "wrong_server_name",
    type: "tls_certificate_error",
    code: "tls_certificate_invalid",
  },
  {
    name: "a backend that speaks cleartext",
    upstream: "cleartext",
    type: "tls_protocol_error",
    code: "tls_failed",
  },
];

function tlsToml(name: string, url: string, settings: Readonly<Record<string, string>>): string {
  const keys = Object.entries(settings).map(([key, value]) => `${key} = "${value}"\n`).join("");
  return upstreamToml(name, [url], { sections: `[upstreams.${name}.tls]\n${keys}` });
}

interface Backends {
  readonly good: ScriptedBackend;
  readonly other: ScriptedBackend;
  readonly expired: ScriptedBackend;
  readonly early: ScriptedBackend;
  readonly cleartext: ScriptedBackend;
  readonly mutual: MutualTlsBackend;
  readonly unix: ScriptedBackend;
}

function configuration({ good, other, expired, early, cleartext, mutual, unix }: Backends): string {
  const ca = { ca: "ca.pem" };
  const onPort = (port: number) => `https://127.0.0.1:${port}`;
  return listenerToml("web") +
    tlsToml("good", good.url, ca) +
    tlsToml("by_ip", onPort(good.port), ca) +
    tlsToml("wrong_name", onPort(other.port), ca) +
    tlsToml("by_server_name", onPort(other.port), { ...ca, server_name: "inner.test" }) +
    tlsToml("wrong_server_name", good.url, { ...ca, server_name: "inner.test" }) +
    upstreamToml("unknown_ca", [good.url]) +
    tlsToml("other_ca", good.url, { ca: "other_ca.pem" }) +
    tlsToml("expired", expired.url, ca) +
    tlsToml("early", early.url, ca) +
    tlsToml("cleartext", `https://localhost:${cleartext.port}`, ca) +
    tlsToml("mutual", mutual.url, { ...ca, cert: "client.pem", key: "client.key" }) +
    tlsToml("mutual_named", `https://127.0.0.1:${mutual.port}`, {
      ...ca,
      cert: "client.pem",
      key: "client.key",
      server_name: "localhost",
    }) +
    tlsToml("mutual_without", mutual.url, ca) +
    upstreamToml("unix", [unix.url]);
}

/** What an HTTP server does with a ClientHello: a 400 in cleartext. */
async function refuseHandshake(connection: BackendConnection): Promise<void> {
  await connection.write(response(400, "no request", { framing: "close" }));
}

async function pooled(sluice: SluiceProcess, { good }: Backends): Promise<void> {
  good.closeConnections();
  await good.waitForConnectionsClosed(PATIENCE_MS);
  const before = good.connections.length;
  using client = await connect(sluice.address("web"));
  for (let index = 0; index < 20; index++) {
    await client.send(`GET /good/${index} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    assertEquals(echoOf(await client.readResponse()).target, `/good/${index}`);
  }
  assertEquals(good.connections.length - before, 1, "Handshakes for 20 requests");
}

/** Idle connections that the backend ends are noticed while they wait: the next request, a POST, goes to a new one. */
async function deadIdle(sluice: SluiceProcess, { good }: Backends): Promise<void> {
  for (const end of ["close", "reset"] as const) {
    await get(sluice.address("web"), `/good/before-${end}`);
    const before = good.connections.length;
    for (const connection of good.connections) connection[end]();
    await good.waitForConnectionsClosed(PATIENCE_MS);
    using client = await connect(sluice.address("web"));
    const body = "hello";
    await client.send(
      `POST /good/after-${end} HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    assertEquals(echoOf(await client.readResponse()).bodyLength, body.length);
    assertEquals(good.connections.length - before, 1);
  }
}

async function failure(sluice: SluiceProcess, row: FailureCase): Promise<void> {
  const target = `/${row.upstream}/x`;
  const reply = await get(sluice.address("web"), target, {}, { deadlineMs: PATIENCE_MS });
  assertEquals({ status: reply.status, type: reply.field("proxy-status") }, {
    status: 502,
    type: `sluice; error=${row.type}`,
  });
  assertStringIncludes(reply.text, `error: ${row.code}`);
  assertEquals((await accessOf(sluice, target)).error, row.code);
}

Deno.test("Backends behind TLS and Unix sockets", async (t) => {
  const { authority, localhost, client } = await testCertificates();
  const stranger = await CertificateAuthority.create("stranger");
  const now = Date.now();
  const [inner, late, future] = await Promise.all([
    authority.issue({ names: ["inner.test"] }),
    authority.issue({ notBefore: new Date(now - 2 * HOUR_MS), notAfter: new Date(now - HOUR_MS) }),
    authority.issue({ notBefore: new Date(now + HOUR_MS), notAfter: new Date(now + 2 * HOUR_MS) }),
  ]);
  const folder = await Deno.makeTempDir({ prefix: "sluice_test_" });
  await using good = ScriptedBackend.start(echo(), { name: "good", tls: localhost });
  await using other = ScriptedBackend.start(echo(), { name: "other", tls: inner });
  await using expired = ScriptedBackend.start(echo(), { tls: late });
  await using early = ScriptedBackend.start(echo(), { tls: future });
  await using cleartext = ScriptedBackend.start(echo(), { onConnect: refuseHandshake });
  await using mutual = await MutualTlsBackend.start({ certificate: localhost, clientAuthority: authority.cert });
  await using unix = ScriptedBackend.start(echo(), { name: "unix", unixPath: `${folder}/app.sock` });
  const backends = { good, other, expired, early, cleartext, mutual, unix };
  await using sluice = await SluiceProcess.start(configuration(backends), {
    deadlineMs: PATIENCE_MS,
    files: {
      "ca.pem": authority.cert,
      "other_ca.pem": stranger.cert,
      "client.pem": client.cert,
      "client.key": client.key,
    },
  });
  const web = sluice.address("web");
  await step(t, "a name that the certificate has", async () => {
    assertEquals(echoOf(await get(web, "/good/x")).backend, "good");
  });
  await step(t, "an address that the certificate has", async () => {
    assertEquals(echoOf(await get(web, "/by_ip/x")).backend, "good");
  });
  await step(t, "server_name is what is verified, not the address", async () => {
    assertEquals(echoOf(await get(web, "/by_server_name/x")).backend, "other");
  });
  for (const row of FAILURES) await step(t, `502 for ${row.name}`, () => failure(sluice, row));
  await step(t, "a client certificate is shown", async () => {
    assertEquals((await get(web, "/mutual/x")).text, "client.test");
    assertEquals((await get(web, "/mutual_named/x")).text, "client.test");
  });
  await step(t, "a client certificate that is missing is an error of TLS", async () => {
    const reply = await get(web, "/mutual_without/x");
    assertEquals(reply.status, 502);
    assertEquals(mutual.clients.length, 2);
  });
  await step(t, "one handshake serves many requests", () => pooled(sluice, backends));
  await step(t, "an idle connection that died is not used", () => deadIdle(sluice, backends));
  await step(t, "a Unix socket", async () => {
    using downstream = await connect(web);
    for (let index = 0; index < 5; index++) {
      await downstream.send(`POST /unix/${index} HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi`);
      const seen = echoOf(await downstream.readResponse());
      assertEquals({ backend: seen.backend, length: seen.bodyLength }, { backend: "unix", length: 2 });
    }
    assertEquals(unix.connections.length, 1);
    unix.closeConnections();
    await unix.waitForConnectionsClosed(PATIENCE_MS);
    assertEquals(echoOf(await get(web, "/unix/again")).backend, "unix");
  });
  assertEquals(await sluice.stop(), 0);
  await Deno.remove(folder, { recursive: true });
});
