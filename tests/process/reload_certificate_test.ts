/** A listener's certificate that is replaced on disk: one file after the other, under load, and wrongly. */

import { assert, assertEquals } from "../support/assert.ts";
import { type Certificate, CertificateAuthority } from "../support/certificates.ts";
import { RawClient } from "../support/raw_client.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { WORKERS } from "../support/workers.ts";
import { ENGINES } from "../support/gateway_stage.ts";
import { listenerToml, PATIENCE_MS, step } from "../support/proxy_stage.ts";
import { answering, countOf } from "../support/reload_stage.ts";

const REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

for (const engine of ENGINES) {
  Deno.test(`${engine}: a certificate is replaced when its files change`, async (t) => {
    const tls = `engine = "${engine}"\ntls = { cert = "site.pem", key = "site.key" }`;
    // Which certificate a listener shows is told by which authority its client must believe.
    const [first, second] = [await CertificateAuthority.create("first"), await CertificateAuthority.create("second")];
    const [old, next] = [await first.issue(), await second.issue()];
    const files = { "site.pem": old.cert, "site.key": old.key };
    await using sluice = await SluiceProcess.start(listenerToml("web", tls) + answering("ok"), {
      files,
      deadlineMs: PATIENCE_MS,
    });
    const web = sluice.address("web");
    const connect = (...authorities: CertificateAuthority[]) =>
      RawClient.connect(web, {
        deadlineMs: PATIENCE_MS,
        tls: { hostname: "localhost", caCerts: authorities.map(({ cert }) => cert) },
      });
    const statusOver = async (client: RawClient) => {
      await client.send(REQUEST);
      return (await client.readResponse()).status;
    };

    const ask = async (...authorities: CertificateAuthority[]) => {
      using client = await connect(...authorities);
      return await statusOver(client);
    };

    await step(t, "a certificate that does not fit its key is reported, and the old one stays", async () => {
      sluice.config.add("site.pem", next.cert);
      const { message } = await sluice.waitForEvent(({ event }) => event === "certificate_refused");
      assertEquals(message, "keys may not be consistent: KeyMismatch");
      for (let attempt = 0; attempt < 5; attempt++) assertEquals(await ask(first), 200);
    });

    await step(t, "the key follows: new connections get the new certificate, open ones go on", async () => {
      using open = await connect(first);
      assertEquals(await statusOver(open), 200);
      sluice.config.add("site.key", next.key);
      await sluice.waitForEvent(({ event }) => event === "certificate_replaced");
      await untilRefused(() => ask(first));
      assertEquals(await ask(second), 200);
      assertEquals(countOf(sluice, "certificate_refused"), WORKERS);
    });

    await step(t, "a file that is no certificate is refused with its name", async () => {
      const from = sluice.events.length;
      sluice.config.add("site.pem", "no longer a certificate");
      const { problems } = await sluice.waitForEvent(({ event }) => event === "reload_refused", from);
      assert(/listeners\[0\]\.tls\.cert: ".*site\.pem" holds no certificate/.test(String(problems)), String(problems));
      assertEquals(await ask(second), 200);
      sluice.config.add("site.pem", next.cert);
      await sluice.waitForEvent(({ event }) => event === "reloaded", from);
    });

    // The old listener closed what was idle at that moment: every client in use lost a request.
    await step(t, "no request on a connection in use is lost over it", async () => {
      let isOver = false;
      const running = [1, 2, 3, 4].map(async () => {
        let [answers, renewals] = [0, 0];
        while (!isOver) {
          using client = await connect(first, second);
          for (let keepAlive = true; keepAlive && !isOver; answers++) {
            await client.send(REQUEST);
            const response = await client.readResponse();
            assertEquals(response.status, 200);
            keepAlive = response.keepAlive;
          }
          renewals++;
        }
        return { answers, renewals };
      });
      try {
        await replace(sluice, old);
        await untilRefused(() => ask(second));
      } finally {
        isOver = true;
      }
      for (const { answers, renewals } of await Promise.all(running)) {
        assert(answers > renewals, `${answers} answers over ${renewals} connections`);
      }
    });
    assertEquals(await sluice.stop(), 0);
  });
}

async function replace(sluice: SluiceProcess, { cert, key }: Certificate): Promise<void> {
  const from = sluice.events.length;
  sluice.config.add("site.pem", cert);
  sluice.config.add("site.key", key);
  await sluice.waitForEvent(({ event }) => event === "certificate_replaced", from);
}

/** Right after a replacement the old listener may accept one more. @param ask Rejects when it is shown the new one. */
async function untilRefused(ask: () => Promise<unknown>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (let refused = 0; refused < 10;) {
    assert(performance.now() < end, "still the old certificate");
    refused = await ask().then(() => 0, (error) => error instanceof Deno.errors.InvalidData ? refused + 1 : 0);
  }
}
