/** Why TLS to a backend is refused: said in the log and by the admin API, with one thread and with two, and foreseen by `check`. */

import type { StatusView } from "../../lib/admin/views.ts";
import { caFault } from "../../lib/config/ca_fault.ts";
import { TlsProblems } from "../../lib/runtime/logs/tls_problems.ts";
import { isCertificateFault, tlsReason } from "../../lib/transport/tls_reason.ts";
import { ADMIN_TOML, AdminClient } from "../process/admin_client.ts";
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { echo, response } from "../support/backend_scripts.ts";
import { CertificateAuthority, selfSigned, testCertificates } from "../support/certificates.ts";
import { get } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";

const WISH = { serverName: "api.test", hasCa: true };
const REASONS: Array<[text: string, reason: string]> = [
  [
    'invalid peer certificate: certificate not valid for name "api.test"; certificate is only valid for DnsName("a.test"), ' +
    'DnsName("b.test") or IpAddress(10.0.0.1)',
    'its certificate is for a.test, b.test, 10.0.0.1, not for "api.test"',
  ],
  [
    'invalid peer certificate: certificate not valid for name "api.test"; certificate is not valid for any names ' +
    "(according to its subjectAltName extension)",
    'its certificate names no host, and "api.test" was expected',
  ],
  ["invalid peer certificate: UnknownIssuer", "its certificate was not issued by an authority of the ca file"],
  [
    "invalid peer certificate: certificate does not allow extended key usage for server authentication, allows client authentication",
    "its certificate is not one for servers (extended key usage)",
  ],
  ["invalid peer certificate: BadSignature", "its certificate is invalid: BadSignature"],
  ["received fatal alert: ProtocolVersion", "it speaks only versions of TLS older than 1.2"],
  ["received fatal alert: CertificateRequired", "it wants a client certificate, and was sent none"],
  ["received fatal alert: UnknownCA", "it refuses the client certificate (UnknownCA)"],
  ["received fatal alert: InternalError", "it ended the handshake (InternalError)"],
  ["unexpected end of file", "it closed the connection during the handshake"],
  ["something new\u001b[2J", "something new?[2J"],
];

for (const [text, reason] of REASONS) {
  Deno.test(`tlsReason() of "${text.slice(0, 90)}"`, () => {
    assertEquals(tlsReason(new Error(text), WISH), reason);
    assertEquals(isCertificateFault(new Error(text)), text.startsWith("invalid peer certificate"));
  });
}

Deno.test("TlsProblems tells what is new, and what stays only from time to time", () => {
  let nowMs = 0;
  const news: string[] = [];
  const problems = new TlsProblems(() => nowMs, (backend, problem) => news.push(`${backend}: ${problem}`));
  problems.tell("api/a", "");
  for (let count = 0; count < 3; count++) problems.tell("api/a", "expired");
  problems.tell("api/b", "expired");
  problems.tell("api/a", "unknown");
  assertEquals(problems.of("api/a"), "unknown");
  nowMs = 60_000;
  problems.tell("api/a", "unknown");
  problems.tell("api/a", "");
  problems.tell("api/a", "");
  assertEquals([problems.of("api/a"), problems.of("api/b")], ["", "expired"]);
  assertEquals(news, ["api/a: expired", "api/b: expired", "api/a: unknown", "api/a: unknown", "api/a: "]);
});

Deno.test("caFault() finds files that can't work, and leaves others alone", async () => {
  const { authority, localhost } = await testCertificates();
  const own = await selfSigned({ isAuthority: true });
  const leaf = await selfSigned({ isAuthority: false });
  const root = await selfSigned({ isAuthority: true, names: [] });
  for (
    const good of [authority.cert, leaf.cert, root.cert, authority.cert + localhost.cert, own.cert + authority.cert, ""]
  ) {
    assertEquals(caFault(good), "");
  }
  assertStringIncludes(caFault(localhost.cert), "holds no certificate of an authority");
  assertStringIncludes(caFault(own.cert), "a backend that shows this very certificate is refused");
  const broken = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n";
  assertStringIncludes(caFault(authority.cert + broken), "cannot be read");
  for (let cut = 30; cut < 400; cut += 37) {
    const lines = authority.cert.split("\n").slice(1, -2).join("").slice(0, cut * 4 % 400);
    caFault(`-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`); // throws nothing
  }
});

const HOUR_MS = 3_600_000;

/** What rustls refuses for real, and what is made of its words: they may change with the runtime. */
for (const workers of [1, 2]) {
  Deno.test(`why TLS to a backend is refused is in the log and in the status (workers: ${workers})`, async (t) => {
    const { authority, localhost } = await testCertificates();
    const stranger = await CertificateAuthority.create("stranger");
    const now = Date.now();
    const [own, leaf, late, future, inner] = await Promise.all([
      selfSigned({ isAuthority: true }),
      selfSigned({ isAuthority: false }),
      authority.issue({ notBefore: new Date(now - 2 * HOUR_MS), notAfter: new Date(now - HOUR_MS) }),
      authority.issue({ notBefore: new Date(now + HOUR_MS), notAfter: new Date(now + 2 * HOUR_MS) }),
      authority.issue({ names: ["inner.test", "10.1.2.3"] }),
    ]);
    const plain = {
      onConnect: (connection: { write(bytes: Uint8Array): Promise<unknown> }) =>
        connection.write(response(400, "no")).then(() => {}),
    };
    await using owner = ScriptedBackend.start(echo(), { tls: own });
    await using alone = ScriptedBackend.start(echo(), { tls: leaf });
    await using expired = ScriptedBackend.start(echo(), { tls: late });
    await using early = ScriptedBackend.start(echo(), { tls: future });
    await using other = ScriptedBackend.start(echo(), { tls: inner });
    await using good = ScriptedBackend.start(echo(), { tls: localhost });
    await using cleartext = ScriptedBackend.start(echo(), plain);
    const rows: Array<[name: string, port: number, ca: string, reason: string]> = [
      ["owner", owner.port, "own.pem", "its certificate is that of an authority (CA:TRUE)"],
      [
        "expired",
        expired.port,
        "ca.pem",
        `its certificate expired on ${new Date(now - HOUR_MS).toISOString().slice(0, 13)}`,
      ],
      [
        "early",
        early.port,
        "ca.pem",
        `its certificate is valid only from ${new Date(now + HOUR_MS).toISOString().slice(0, 13)}`,
      ],
      ["other", other.port, "ca.pem", 'its certificate is for inner.test, 10.1.2.3, not for "localhost"'],
      ["stranger", good.port, "stranger.pem", "its certificate was not issued by an authority of the ca file"],
      ["public", good.port, "", "its certificate was not issued by a public authority, and there is no ca"],
      ["leaf_as_ca", good.port, "leaf_of_ca.pem", "its certificate was not issued by an authority of the ca file"],
      ["cleartext", cleartext.port, "ca.pem", "it does not speak TLS on this port: plain HTTP, probably"],
    ];
    const toml = (name: string, port: number, ca: string) =>
      upstreamToml(
        name,
        [`https://localhost:${port}`],
        ca === "" ? {} : { sections: `[upstreams.${name}.tls]\nca = "${ca}"\n` },
      );
    await using sluice = await SluiceProcess.start(
      `[server]\nworkers = ${workers}\n${ADMIN_TOML}${listenerToml("web", `engine = "wire"`)}` +
        rows.map(([name, port, ca]) => toml(name, port, ca)).join("") + toml("alone", alone.port, "leaf.pem"),
      {
        deadlineMs: PATIENCE_MS,
        files: {
          "ca.pem": authority.cert,
          "own.pem": own.cert,
          "leaf.pem": leaf.cert,
          "leaf_of_ca.pem": localhost.cert,
          "stranger.pem": stranger.cert,
        },
      },
    );
    const web = sluice.address("web");
    const admin = await AdminClient.of(sluice);
    const problemOf = async (name: string) => {
      const { upstreams } = (await admin.ask<StatusView>("GET /api/status")).view;
      return upstreams.find((upstream) => upstream.name === name)!.backends[0].tlsProblem;
    };
    for (const [name, , , reason] of rows) {
      await step(t, name, async () => {
        for (let count = 0; count < 2; count++) {
          assertEquals((await get(web, `/${name}/x`, {}, { deadlineMs: PATIENCE_MS })).status, 502);
        }
        const told = () =>
          sluice.events.filter(({ event, backend }) =>
            event === "backend_tls_refused" && String(backend).startsWith(`${name}/`)
          );
        await sluice.waitFor(() => told().length > 0, `why ${name} is refused`, PATIENCE_MS);
        assertStringIncludes(String(told()[0].reason), reason);
        assertEquals(told().length, 1);
        assertStringIncludes(await problemOf(name), reason);
      });
    }
    await step(t, "a self-signed certificate that is no authority works as its own ca", async () => {
      assertEquals((await get(web, "/alone/x", {}, { deadlineMs: PATIENCE_MS })).status, 200);
      assertEquals(await problemOf("alone"), "");
    });
    await step(t, "files that can't work are told at the start", () => {
      const warned = sluice.events.filter(({ event }) => event === "config_warning").map((line) =>
        JSON.stringify(line)
      );
      assert(warned.some((line) => line.includes("upstreams.owner.tls.ca")), warned.join("\n"));
      assert(warned.some((line) => line.includes("upstreams.leaf_as_ca.tls.ca")), warned.join("\n"));
      assertEquals(warned.length, 2);
    });
    assertEquals(await sluice.stop(PATIENCE_MS), 0);
  });
}
