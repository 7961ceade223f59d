/**
 * A client that sends a TLS connection of `serve` cheap input as fast as it is taken holds the thread that serves it: Deno
 * reads on while there is anything to read. The control side, and the operator with it, is in another thread.
 */

import { ADMIN_TOML, AdminClient } from "./admin_client.ts";
import { listenerToml, PATIENCE_MS, within } from "../support/proxy_stage.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { testCertificates } from "../support/certificates.ts";
import { Flood, HTTP2_OPENING, HTTP2_UNITS } from "./flood.ts";
import { get } from "../support/raw_client.ts";
import { SluiceProcess } from "../support/sluice_process.ts";

const TLS = `tls = { cert = "site.pem", key = "site.key" }`;
const ROUTE = `[[routes]]\npath = "/*"\nrespond = { status = 200, body = "ok" }\n`;
/** Without a thread of its own the admin listener answers when this is over. */
const FLOOD_MS_MAX = 5000;
const FLOOD_BYTES_MIN = 4 * 1024 * 1024;
const ANSWERS = 8;

Deno.test("the admin listener answers while one TLS client of serve holds the only worker", async () => {
  const { authority, localhost } = await testCertificates();
  const toml = "[server]\nworkers = 1\n" + ADMIN_TOML + listenerToml("tls", TLS) + ROUTE;
  const files = { "site.pem": localhost.cert, "site.key": localhost.key };
  await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS, files });
  const admin = await AdminClient.of(sluice);
  const address = await sluice.waitForAddress("admin");
  await using flood = await Flood.start(sluice.address("tls"), {
    opening: HTTP2_OPENING,
    unit: HTTP2_UNITS.PRIORITY,
    tls: { caCert: authority.cert, alpn: "h2" },
  });
  const timer = setTimeout(() => flood.stop(), FLOOD_MS_MAX);
  try {
    let answers = 0;
    for (; !flood.isOver && (answers < ANSWERS || flood.sentBytes < FLOOD_BYTES_MIN); answers++) {
      assertEquals((await within(get(address, "/healthz", {}, { deadlineMs: PATIENCE_MS }), "an answer")).status, 200);
      await admin.status();
    }
    assert(!flood.isOver, `${answers} answers in ${FLOOD_MS_MAX} ms of flood`);
    assert(!flood.isRefused, "the flood is taken");
  } finally {
    clearTimeout(timer);
  }
  flood.stop();
  assertEquals(await sluice.stop(PATIENCE_MS), 0);
});

Deno.test("only TLS on serve takes a second thread: one worker is one thread otherwise", async () => {
  const { localhost } = await testCertificates();
  const files = { "site.pem": localhost.cert, "site.key": localhost.key };
  const threadsOf = async (listener: string) => {
    const toml = "[server]\nworkers = 1\n" + listenerToml("web", listener) + ROUTE;
    await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS, files });
    assertEquals(await sluice.stop(PATIENCE_MS), 0);
    return sluice.events.some(({ worker }) => worker !== undefined) ? "worker" : "alone";
  };
  assertEquals(await threadsOf(""), "alone");
  assertEquals(await threadsOf(`engine = "wire"\n${TLS}`), "alone");
  assertEquals(await threadsOf(TLS), "worker");
});
