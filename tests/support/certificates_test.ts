/** Certificates that are believed, and those that must not be. */

import { assertEquals, assertRejects } from "./assert.ts";
import { echo } from "./backend_scripts.ts";
import { CertificateAuthority, testCertificates } from "./certificates.ts";
import { MutualTlsBackend } from "./mutual_tls_backend.ts";
import { get } from "./raw_client.ts";
import { ScriptedBackend } from "./scripted_backend.ts";

Deno.test("testCertificates() are believed for localhost", async () => {
  const { authority, localhost } = await testCertificates();
  await using backend = ScriptedBackend.start(echo(), { tls: localhost });
  for (const hostname of ["localhost", "127.0.0.1"]) {
    const options = { tls: { caCerts: [authority.cert], hostname } };
    assertEquals((await get(backend.address, "/", {}, options)).status, 200);
  }
});

const DISTRUSTED = [
  { name: "for another name", issue: { names: ["example.com"] }, isForeign: false },
  { name: "that has expired", issue: { notAfter: new Date(Date.now() - 60_000) }, isForeign: false },
  { name: "of another authority", issue: {}, isForeign: true },
];

for (const { name, issue, isForeign } of DISTRUSTED) {
  Deno.test(`CertificateAuthority.issue() makes a certificate ${name} that is not believed`, async () => {
    const { authority } = await testCertificates();
    const issuer = isForeign ? await CertificateAuthority.create("another") : authority;
    await using backend = ScriptedBackend.start(echo(), { tls: await issuer.issue(issue) });
    const options = { tls: { caCerts: [authority.cert], hostname: "localhost" } };
    await assertRejects(() => get(backend.address, "/", {}, options), Deno.errors.InvalidData);
  });
}

Deno.test("MutualTlsBackend accepts the client certificate, and nobody without one", async () => {
  const { authority, localhost, client } = await testCertificates();
  await using backend = await MutualTlsBackend.start({ certificate: localhost, clientAuthority: authority.cert });
  const tls = { caCerts: [authority.cert], hostname: "localhost" };
  const shown = await get(backend.address, "/", {}, { tls: { ...tls, ...client } });
  assertEquals(shown.text, "client.test");
  await assertRejects(() => get(backend.address, "/", {}, { tls }), Error); // an alert or, where it is overtaken, RST
  assertEquals(backend.clients, ["client.test"]);
});
