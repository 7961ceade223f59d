/** Whose traces are sampled, through reloads; and collectors that are missing, slow, or one for several threads. */

import { assert, assertEquals, assertInRange } from "../support/assert.ts";
import { OtlpReceiver } from "../support/otlp_receiver.ts";
import { get } from "../support/raw_client.ts";
import { freePort, ScriptedBackend } from "../support/scripted_backend.ts";
import { SluiceProcess } from "../support/sluice_process.ts";
import { Gate } from "../support/waiting.ts";
import { WORKERS } from "../support/workers.ts";
import { PATIENCE_MS, upstreamToml } from "../support/proxy_stage.ts";
import { burst, ENGINES, LISTENERS, seen, send, SPAN, told, TRACE, tracingToml } from "./tracing_stage.ts";

Deno.test("tracing: a trace that begins here and is not sampled is told so, and has no spans", async () => {
  await using receiver = OtlpReceiver.start();
  await using backend = ScriptedBackend.start();
  const toml = LISTENERS + upstreamToml("api", [backend.url]);
  await using sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS });
  const untouched = ["traceparent: junk", "tracestate: also junk"];
  for (const engine of ENGINES) {
    const reply = await send(sluice.address(engine), "/api/off", ...untouched);
    assertEquals([seen(reply, "traceparent"), seen(reply, "tracestate")], [["junk"], ["also junk"]]);
    assertEquals(seen(await send(sluice.address(engine), "/api/off"), "traceparent"), []);
  }

  await reload(sluice, toml + tracingToml(receiver.url, 0));
  for (const engine of ENGINES) {
    const ids = new Set<string>();
    for (let index = 0; index < 5; index++) {
      const [traceId, spanId, flags] = told(await send(sluice.address(engine), "/api/zero"));
      assertEquals(flags, "00");
      ids.add(traceId).add(spanId);
    }
    assertEquals(ids.size, 10);
    await send(sluice.address(engine), "/api/asked", `traceparent: 00-${TRACE}-${SPAN}-01`);
  }

  await reload(sluice, toml + tracingToml(receiver.url, 1).replace("edge", "renamed"));
  for (const engine of ENGINES) await send(sluice.address(engine), `/api/one-${engine}`);
  const serverSpans = () => receiver.spans.filter(({ kind }) => kind === "server");
  await receiver.waitFor(() => serverSpans().length >= 4, "four server spans", PATIENCE_MS);
  const labels = serverSpans().map(({ service, attributes }) => `${service} ${attributes["url.path"]}`).sort();
  assertEquals(labels, ["edge /api/asked", "edge /api/asked", "renamed /api/one-serve", "renamed /api/one-wire"]);

  await reload(sluice, toml);
  const reply = await send(sluice.address("wire"), "/api/off", ...untouched);
  assertEquals([seen(reply, "traceparent"), seen(reply, "tracestate")], [["junk"], ["also junk"]]);
  await sluice.waitForEvent(({ event, dropped_spans }) => event === "tracing_closed" && dropped_spans === 0);
  assertEquals(await sluice.stop(), 0);
});

async function reload(sluice: SluiceProcess, toml: string): Promise<void> {
  const from = sluice.events.length;
  sluice.writeConfig(toml);
  await sluice.waitForEvent(({ event }) => event === "reloaded", from);
}

Deno.test("tracing: a collector that is not there costs spans, and they are counted", async () => {
  await using backend = ScriptedBackend.start();
  const port = freePort();
  await using sluice = await SluiceProcess.start(
    '[admin]\naddress = "127.0.0.1:0"\n' + LISTENERS +
      tracingToml(`http://127.0.0.1:${port}/v1/traces`, 1) + upstreamToml("api", [backend.url]),
    { deadlineMs: PATIENCE_MS },
  );
  const count = 1500; // with a span for each attempt, more than may wait
  for (const engine of ENGINES) await burst(sluice, engine, count / 2);
  await sluice.waitForEvent(({ event }) => event === "tracing_export_failed");
  await burst(sluice, "wire", 1);
  assert(await droppedSpans(sluice) > 0);
  assertEquals(await sluice.stop(PATIENCE_MS), 0);
  const failures = sluice.events.filter(({ event }) => event === "tracing_export_failed");
  assertInRange(failures.length, 1, WORKERS); // each tells it once
  assertEquals(new Set(failures.map(({ worker }) => worker)).size, failures.length);
  assertEquals(closingCounts(sluice), [0, 2 * (count + 1)]);
});

/** Spans exported and dropped, as the threads told at their end. */
function closingCounts(sluice: SluiceProcess): [exported: number, dropped: number] {
  const closed = sluice.events.filter(({ event }) => event === "tracing_closed");
  assertEquals(closed.length, WORKERS);
  const sum = (key: string) => closed.reduce((total, line) => total + Number(line[key]), 0);
  return [sum("exported_spans"), sum("dropped_spans")];
}

/** As it is scraped; what has been published so far, once there is some. */
async function droppedSpans(sluice: SluiceProcess): Promise<number> {
  const admin = await sluice.waitForAddress("admin");
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline) {
    const { text } = await get(admin, "/metrics", {}, { deadlineMs: PATIENCE_MS });
    const count = Number(/^sluice_spans_dropped_total (\d+)$/m.exec(text)?.[1]);
    if (count !== 0) return count;
  }
  return 0;
}

Deno.test("tracing: what waits at the end is sent, and a collector that hangs holds up nobody", async () => {
  const gate = new Gate();
  await using backend = ScriptedBackend.start();
  await using receiver = OtlpReceiver.start();
  await using hanging = OtlpReceiver.start({ gate });
  const toml = (url: string) => LISTENERS + tracingToml(url, 1) + upstreamToml("api", [backend.url]);
  try {
    for (const { url } of [receiver, hanging]) {
      const env = { OTEL_EXPORTER_OTLP_HEADERS: "x-token=secret" };
      await using sluice = await SluiceProcess.start(toml(url), { deadlineMs: PATIENCE_MS, env });
      await burst(sluice, "wire", 300);
      assertEquals(await sluice.stop(PATIENCE_MS), 0);
      const expected: [number, number] = url === receiver.url ? [600, 0] : [0, 600];
      assertEquals(closingCounts(sluice), expected, url);
    }
    assertEquals(receiver.spans.length, 600);
    assert(hanging.requests.length > 0);
    const [fields] = receiver.requests;
    assertEquals([fields.get("content-type"), fields.get("x-token")], ["application/json", "secret"]);
  } finally {
    gate.open();
  }
});

Deno.test("tracing: each worker thread sends its own spans", async () => {
  await using backend = ScriptedBackend.start();
  await using receiver = OtlpReceiver.start();
  await using sluice = await SluiceProcess.start(
    "[server]\nworkers = 2\n" + LISTENERS + tracingToml(receiver.url, 1) + upstreamToml("api", [backend.url]),
    { deadlineMs: PATIENCE_MS },
  );
  const count = 32; // connections: that one thread gets them all is less than likely
  for (let index = 0; index < count; index++) await burst(sluice, "wire", 1);
  assertEquals(await sluice.stop(PATIENCE_MS), 0);
  const closed = sluice.events.filter(({ event }) => event === "tracing_closed");
  assertEquals(closed.map(({ worker, dropped_spans }) => [worker, dropped_spans]).sort(), [[1, 0], [2, 0]]);
  assertEquals(closed.map(({ exported_spans }) => Number(exported_spans)).reduce((sum, one) => sum + one), 2 * count);
  assertEquals(receiver.spans.length, 2 * count);
  assertEquals(receiver.instances.size, 2);
});
