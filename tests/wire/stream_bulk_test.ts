/**
 * Bodies far larger than any buffer go through unchanged, and without being held.
 *
 * SLUICE_TEST_LARGE=1 makes them 1 GiB instead of 256 MiB.
 */

import { assertEquals, assertInRange } from "../support/assert.ts";
import { answer, chunk, response, type Script } from "../support/backend_scripts.ts";
import type { RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { testCertificates } from "../support/certificates.ts";
import { ENGINES } from "../support/gateway_stage.ts";
import {
  accessOf,
  Bulk,
  connect,
  digestBody,
  listenerToml,
  MemoryWatch,
  PATIENCE_MS,
  step,
  upstreamToml,
} from "../support/proxy_stage.ts";

const MEBIBYTES = Deno.env.get("SLUICE_TEST_LARGE") === "1" ? 1024 : 256;
/** What the proxy may hold beyond an idle one: socket buffers are the kernel's, so this is garbage not collected yet. */
const GROWN_BYTES_MAX = 100 * 1024 * 1024;
const LOOK_EVERY_BYTES = 8 * 1024 * 1024;

interface Stage {
  readonly sluice: SluiceProcess;
  readonly backend: ScriptedBackend;
  dial(): Promise<RawClient>;
}

function sendBulk(bulk: Bulk, framing: "length" | "chunked"): Script {
  return async (exchange) => {
    const field = framing === "length" ? `Content-Length: ${bulk.length}` : "Transfer-Encoding: chunked";
    await exchange.write(`HTTP/1.1 200 OK\r\n${field}\r\n\r\n`);
    await bulk.send((block) => exchange.write(framing === "length" ? block : chunk(block)));
    if (framing === "chunked") await exchange.write("0\r\n\r\n");
  };
}

async function download({ sluice, backend, dial }: Stage, framing: "length" | "chunked"): Promise<void> {
  const bulk = new Bulk(MEBIBYTES);
  backend.use(sendBulk(bulk, framing));
  using client = await dial();
  const memory = new MemoryWatch(sluice);
  const target = `/bulk/down-${framing}-${backend.requests.length}`;
  await client.send(`GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
  const head = await client.readResponseHead();
  let next = LOOK_EVERY_BYTES;
  const { length, sha256 } = await digestBody(client, head, (bytes) => {
    if (bytes < next) return;
    next += LOOK_EVERY_BYTES;
    memory.look();
  });
  assertEquals(head.framing.kind, framing);
  assertEquals({ length, sha256 }, { length: bulk.length, sha256: bulk.sha256 });
  assertInRange(memory.grownBytes, 0, GROWN_BYTES_MAX, "Resident memory grew");
  const line = await accessOf(sluice, target);
  assertEquals({ bytes: line.bytes_out, error: line.error }, { bytes: bulk.length, error: "" });
}

async function upload({ sluice, backend, dial }: Stage, framing: "length" | "chunked"): Promise<void> {
  const bulk = new Bulk(MEBIBYTES);
  backend.use(answer(response(200, "taken")));
  using client = await dial();
  const memory = new MemoryWatch(sluice);
  const target = `/bulk/up-${framing}-${backend.requests.length}`;
  const field = framing === "length" ? `Content-Length: ${bulk.length}` : "Transfer-Encoding: chunked";
  await client.send(`PUT ${target} HTTP/1.1\r\nHost: a.test\r\n${field}\r\n\r\n`);
  await bulk.send(async (block) => {
    await client.send(framing === "length" ? block : chunk(block));
    if (bulk.sent % LOOK_EVERY_BYTES === 0) memory.look();
  });
  if (framing === "chunked") await client.send("0\r\n\r\n");
  assertEquals((await client.readResponse()).text, "taken");
  const request = backend.requests.at(-1)!;
  assertEquals(request.framing, framing);
  assertEquals({ length: request.bodyLength, sha256: request.sha256 }, { length: bulk.length, sha256: bulk.sha256 });
  assertInRange(memory.grownBytes, 0, GROWN_BYTES_MAX, "Resident memory grew");
  const line = await accessOf(sluice, target);
  assertEquals({ bytes: line.bytes_in, error: line.error }, { bytes: bulk.length, error: "" });
}

for (const engine of ENGINES) {
  Deno.test(`${engine}: streams of ${MEBIBYTES} MiB pass bit-exact in bounded memory`, async (t) => {
    const { authority, localhost } = await testCertificates();
    await using backend = ScriptedBackend.start(answer(response(200, "warm")));
    const tls = `tls = { cert = "site.pem", key = "site.key" }\nengine = "${engine}"`;
    await using sluice = await SluiceProcess.start(
      listenerToml("plain", `engine = "${engine}"`) + listenerToml("tls", tls) + upstreamToml("bulk", [backend.url]),
      { deadlineMs: PATIENCE_MS, files: { "site.pem": localhost.cert, "site.key": localhost.key } },
    );
    const plain = { sluice, backend, dial: () => connect(sluice.address("plain")) };
    const secure = {
      sluice,
      backend,
      dial: () => connect(sluice.address("tls"), { caCerts: [authority.cert], hostname: "localhost" }),
    };
    await step(t, "response with Content-Length", () => download(plain, "length"));
    await step(t, "response in chunks", () => download(plain, "chunked"));
    await step(t, "request with Content-Length", () => upload(plain, "length"));
    await step(t, "request in chunks", () => upload(plain, "chunked"));
    await step(t, "response over TLS", () => download(secure, "length"));
    await step(t, "request over TLS", () => upload(secure, "length"));
    assertEquals(await sluice.stop(), 0);
  });
}
