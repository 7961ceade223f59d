/** What costs its sender little and us much, as fast as it is taken, on one connection: others are served meanwhile. */

import { assert, assertEquals } from "@std/assert";
import { giveWay, WireTurn } from "../../lib/engines/wire/http1/turn.ts";
import { answer } from "../support/backend_scripts.ts";
import { testCertificates } from "../support/certificates.ts";
import type { RawClient } from "../support/raw_client.ts";
import { ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { Gate } from "../support/waiting.ts";
import { toBytes } from "../support/wire_bytes.ts";
import { connect, listenerToml, PATIENCE_MS, step, upstreamToml } from "../support/proxy_stage.ts";

const HONEST_REQUESTS = 8;
/** A flood that starves others does so to its end. */
const FLOOD_MS = 8000;
/** More than is served at once. */
const UNDER_WAY_BYTES = 100_000;
const TLS = `tls = { cert = "site.pem", key = "site.key" }`;
const FIXED = `[[routes]]\npath = "/fixed"\nrespond = { status = 200, body = "ok" }\n`;
const GET_FIXED = "GET /fixed HTTP/1.1\r\nHost: a\r\n\r\n";

interface Flood {
  readonly name: string;
  readonly begin: string;
  readonly block: string;
  /** Writes of a block. */
  readonly writes?: number;
}

const FLOODS: readonly Flood[] = [
  { name: "requests that are answered here", begin: "", block: GET_FIXED.repeat(1000) },
  {
    name: "a body in chunks of one byte",
    begin: "POST /sink/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    block: "1\r\na\r\n".repeat(10_000),
  },
  { name: "requests in records of their own", begin: "", block: GET_FIXED, writes: 400 },
];

/** Until `isOver()`, or `FLOOD_MS` have passed; answers are taken and dropped. */
async function flood(
  client: RawClient,
  { begin, block, writes = 1 }: Flood,
  { isOver, onUnderWay }: { readonly isOver: () => boolean; readonly onUnderWay: () => void },
): Promise<void> {
  const dropping = (async () => {
    while (await client.source.readSome(65_536) !== null) await giveWay();
  })().catch(() => {});
  const bytes = toBytes(block);
  const endMs = performance.now() + FLOOD_MS;
  let sent = 0;
  await client.send(begin);
  const timer = setInterval(() => isOver() || performance.now() > endMs ? client.close() : 0, 10);
  try {
    while (!isOver() && performance.now() < endMs) {
      for (let write = 0; write < writes; write++) await client.send(bytes);
      sent += writes * bytes.length;
      if (sent > UNDER_WAY_BYTES) onUnderWay();
      await giveWay(); // the honest client is in this thread, too
    }
  } catch {
    // It was held back, and closed.
  }
  clearInterval(timer);
  onUnderWay();
  client.close();
  await dropping;
}

Deno.test("wire: others are served while one client sends as fast as it can", async (t) => {
  const { authority, localhost } = await testCertificates();
  await using backend = ScriptedBackend.start(answer());
  await using sink = ScriptedBackend.start(answer());
  await using sluice = await SluiceProcess.start(
    '[server]\nworkers = 1\n[log]\naccess = "off"\n' + listenerToml("plain", `engine = "wire"`) +
      listenerToml("tls", `engine = "wire"\n${TLS}`) +
      FIXED + upstreamToml("app", [backend.url]) + upstreamToml("sink", [sink.url]),
    { deadlineMs: PATIENCE_MS, files: { "site.pem": localhost.cert, "site.key": localhost.key } },
  );
  for (const label of ["plain", "tls"]) {
    for (const row of FLOODS) {
      await step(t, `${label}: ${row.name}`, async () => {
        const tls = label === "tls" ? { caCerts: [authority.cert], hostname: "localhost" } : undefined;
        let isOver = false;
        using honest = await connect(sluice.address("plain"));
        const underWay = new Gate();
        const flooding = flood(await connect(sluice.address(label), tls), row, {
          isOver: () => isOver,
          onUnderWay: () => underWay.open(),
        }).then(() => isOver);
        await underWay.opened;
        for (let request = 0; request < HONEST_REQUESTS; request++) {
          await honest.send("GET /app/x HTTP/1.1\r\nHost: a\r\n\r\n");
          assertEquals((await honest.readResponse()).status, 200);
        }
        isOver = true;
        assert(await flooding, "The flood was over before the others were served");
      });
    }
  }
  assertEquals(await sluice.stop(PATIENCE_MS), 0);
});

function turnAt(): { turn: WireTurn; pass(ms: number): void } {
  let nowMs = 1000;
  const turn = new WireTurn({ nowMs: () => nowMs, epochMs: () => 0 });
  return { turn, pass: (ms) => nowMs += ms };
}

Deno.test("WireTurn ends after 32 answers to a client that had sent the next request each time", () => {
  const { turn, pass } = turnAt();
  const ends: number[] = [];
  for (let request = 1; request <= 128; request++) {
    pass(0.05);
    if (turn.endsWithAnswer(true)) ends.push(request);
  }
  assertEquals(ends, [64, 96, 128]); // what came first may have come slowly
});

Deno.test("WireTurn never ends for a client that waits for its answers, nor at a pace that leaves room", () => {
  const { turn, pass } = turnAt();
  for (let request = 0; request < 5000; request++) {
    pass(0.2);
    assertEquals(turn.endsWithAnswer(false), false);
  }
  for (let request = 0; request < 5000; request++) {
    pass(1);
    assertEquals(turn.endsWithAnswer(true), false);
  }
});

Deno.test("WireTurn ends after 16 KiB around chunks, and lets bodies of large pieces go on", () => {
  const { turn, pass } = turnAt();
  let ends = 0;
  for (let piece = 0; piece < 20; piece++) {
    pass(1);
    if (turn.endsWithPiece(50_000)) ends++;
  }
  assertEquals(ends, 19);
  for (let piece = 0; piece < 1000; piece++) {
    pass(0.5); // 130 MB/s
    assertEquals(turn.endsWithPiece(0), false);
  }
});

Deno.test("giveWay() lets timers and sockets have their turn", async () => {
  let hasRun = false;
  setTimeout(() => hasRun = true, 0);
  await giveWay();
  assertEquals(hasRun, true);
});
