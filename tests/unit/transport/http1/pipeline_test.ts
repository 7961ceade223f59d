/** Several exchanges on one connection: who gets which bytes, also when something goes wrong. */

import { assert, assertEquals } from "../../../support/assert.ts";
import { ProxyError } from "../../../../lib/base/errors.ts";
import type { BackendStream } from "../../../../lib/transport/backend_stream.ts";
import { Waiter } from "../../../../lib/transport/stream_source.ts";
import { answerTo, CLIENT, PipelineStage, settled, targetsIn, type TestExchange } from "./pipeline_stage.ts";

const OK = "HTTP/1.1 200 OK\r\n";

async function three(
  stage: PipelineStage,
  methods: readonly string[] = ["GET", "GET", "GET"],
): Promise<TestExchange[]> {
  await stage.warmUp(4);
  const exchanges = ["/1", "/2", "/3"].map((target, index) => stage.request(target, methods[index]));
  await settled();
  assertEquals(targetsIn(stage.conns[0].written), ["/1", "/2", "/3"]);
  return exchanges;
}

function outcomes(exchanges: readonly TestExchange[]): string[] {
  return exchanges.map(({ outcome }) => outcome);
}

Deno.test("Pipeline: requests of one turn go out in one write, those of the next behind them", async () => {
  const stage = new PipelineStage();
  await stage.warmUp(4);
  const [conn] = stage.conns;
  const writes: string[][] = [];
  const write = conn.write.bind(conn);
  conn.write = (bytes) => {
    const before = conn.written.length;
    const written = write(bytes);
    writes.push(targetsIn(conn.written.slice(before)));
    return written;
  };
  const first = [stage.request("/1"), stage.request("/2")];
  await settled();
  const second = stage.request("/3");
  await settled();
  assertEquals(writes, [["/1", "/2"], ["/3"]]);
  conn.push(["/1", "/2", "/3"].map((target) => answerTo(target)).join(""));
  assertEquals(await Promise.all([...first, second].map(({ done }) => done)), ["200 /1", "200 /2", "200 /3"]);
  assertEquals([stage.conns.length, String(stage.pool)], [1, "pool x/y: 0 active, 0 waiting, 1 idle"]);
});

Deno.test("Pipeline: a write that takes less than it is given loses nothing", async () => {
  const stage = new PipelineStage();
  await stage.warmUp(4);
  stage.conns[0].writeMax = 7;
  const exchanges = ["/1", "/2", "/3"].map((target) => stage.request(target));
  for (let turn = 0; turn < 5; turn++) await settled();
  assertEquals(targetsIn(stage.conns[0].written), ["/1", "/2", "/3"]);
  stage.conns[0].push(["/1", "/2", "/3"].map((target) => answerTo(target)).join(""));
  assertEquals(await Promise.all(exchanges.map(({ done }) => done)), ["200 /1", "200 /2", "200 /3"]);
});

const WHOLE = [
  { name: "lengths", wire: answerTo("/1") + answerTo("/2") + answerTo("/3") },
  {
    name: "chunks, a length, no body",
    wire: `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\n/\r\n1\r\n1\r\n0\r\n\r\n` + answerTo("/2") +
      "HTTP/1.1 204 No Content\r\n\r\n",
    wanted: ["200 /1", "200 /2", "204"],
  },
  {
    name: "HEAD between GETs",
    methods: ["GET", "HEAD", "GET"],
    wire: answerTo("/1") + `${OK}Content-Length: 2\r\n\r\n` + answerTo("/3"),
    wanted: ["200 /1", "200", "200 /3"],
  },
  {
    name: "1xx before the second",
    wire: answerTo("/1") + "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + answerTo("/2") + answerTo("/3"),
    informational: [[], [103], []],
  },
  {
    name: "304 with a length",
    wire: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n" + answerTo("/2") + answerTo("/3"),
    wanted: ["304", "200 /2", "200 /3"],
  },
];
for (const { name, wire, methods, wanted = ["200 /1", "200 /2", "200 /3"], informational } of WHOLE) {
  for (const feed of ["whole", "byte by byte"]) {
    Deno.test(`Pipeline: each exchange reads its own response: ${name} (${feed})`, async () => {
      const stage = new PipelineStage();
      const exchanges = await three(stage, methods);
      for (const piece of feed === "whole" ? [wire] : wire) stage.conns[0].push(piece);
      assertEquals(await Promise.all(exchanges.map(({ done }) => done)), wanted);
      assertEquals(exchanges.map((exchange) => exchange.informational), informational ?? [[], [], []]);
      assertEquals(`${stage.pool}`, "pool x/y: 0 active, 0 waiting, 1 idle");
      assertEquals([stage.pool.pipelineLost, stage.fallbacks], [0, []]);
    });
  }
}

Deno.test("Pipeline: trailers stay with their response when the next one is read", async () => {
  const stage = new PipelineStage();
  const [first, second, third] = await three(stage);
  const chunked = (value: string) => `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: ${value}\r\n\r\n`;
  stage.conns[0].push(chunked("one") + chunked("two") + answerTo("/3"));
  await Promise.all([first.done, second.done, third.done]);
  const trailers = [first, second, third].map(({ stream }) => stream!.trailers?.value(0) ?? null);
  assertEquals(trailers, ["one", "two", null]);
});

/** What the three come to, and whether the connection is closed; `rest` are requests that were lost. */
interface Break {
  readonly name: string;
  readonly wire: string;
  readonly end?: boolean;
  readonly wanted: readonly string[];
  readonly lost: number;
}

const BREAKS: readonly Break[] = [
  { name: "ends at once", wire: "", end: true, wanted: Array(3).fill("connection_reset"), lost: 2 },
  {
    name: "ends behind the first",
    wire: answerTo("/1"),
    end: true,
    wanted: ["200 /1", "connection_reset", "connection_reset"],
    lost: 1,
  },
  {
    name: "ends in the second body",
    wire: answerTo("/1") + `${OK}Content-Length: 9\r\n\r\nshort`,
    end: true,
    wanted: ["200 /1", "response_incomplete", "connection_reset"],
    lost: 0,
  },
  {
    name: "says close behind the first",
    wire: answerTo("/1", "Connection: close") + answerTo("/evil"),
    wanted: ["200 /1", "connection_reset", "connection_reset"],
    lost: 2,
  },
  {
    name: "answers the first until close",
    wire: `${OK}\r\nhello`,
    end: true,
    wanted: ["200 hello", "connection_reset", "connection_reset"],
    lost: 2,
  },
  {
    name: "speaks HTTP/1.0",
    wire: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n/1" + answerTo("/evil"),
    wanted: ["200 /1", "connection_reset", "connection_reset"],
    lost: 2,
  },
  {
    name: "sends junk behind the first",
    wire: answerTo("/1") + "junk\r\n\r\n",
    wanted: ["200 /1", "response_invalid", "connection_reset"],
    lost: 1,
  },
  {
    name: "sends a bad chunk",
    wire: `${OK}Transfer-Encoding: chunked\r\n\r\nz\r\n`,
    wanted: ["response_framing_invalid", "connection_reset", "connection_reset"],
    lost: 0,
  },
  {
    name: "switches protocols",
    wire: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    wanted: ["101", "connection_reset", "connection_reset"],
    lost: 2,
  },
];
for (const { name, wire, end = false, wanted, lost } of BREAKS) {
  Deno.test(`Pipeline: a backend that ${name} loses the rest, and the connection is closed`, async () => {
    const stage = new PipelineStage();
    const exchanges = await three(stage);
    stage.conns[0].push(wire);
    if (end) stage.conns[0].end();
    assertEquals(await Promise.all(exchanges.map(({ done }) => done)), [...wanted]);
    for (const { stream, outcome } of exchanges.slice(1)) {
      // What the retry policy calls stale: repeated once, uncounted.
      const { isStale } = stream!;
      if (outcome === "connection_reset") assertEquals(isStale, true);
    }
    assertEquals([stage.conns[0].isClosed, String(stage.pool)], [true, "pool x/y: 0 active, 0 waiting, 0 idle"]);
    assertEquals(stage.pool.pipelineLost, lost);
    assertEquals([stage.pipelines.busyCount, stage.deadlines.size], [0, 0]);
  });
}

Deno.test("Pipeline: an answer too many closes the connection, and the backend falls back at once", async () => {
  const stage = new PipelineStage();
  const exchanges = await three(stage);
  const answers = ["/1", "/2", "/3", "/evil"].map((target) => answerTo(target)).join("");
  stage.conns[0].push(answers);
  assertEquals(await Promise.all(exchanges.map(({ done }) => done)), ["200 /1", "200 /2", "200 /3"]);
  assertEquals([stage.conns[0].isClosed, stage.fallbacks, stage.pipelines.depth], [true, [0], 1]);
});

Deno.test("Pipeline: what comes before its request went out answers nobody", async () => {
  const stage = new PipelineStage();
  await stage.warmUp(4);
  const [conn] = stage.conns;
  const gate = Promise.withResolvers<void>();
  const write = conn.write.bind(conn);
  const first = stage.request("/1");
  conn.write = (bytes) => gate.promise.then(() => write(bytes)); // the write of the first is under way for long
  await settled();
  const second = stage.request("/2");
  await settled();
  conn.push(answerTo("/1") + answerTo("/evil"));
  assertEquals([await first.done, await second.done], ["200 /1", "connection_reset"]);
  assertEquals([conn.isClosed, stage.fallbacks], [true, [0]]);
  gate.resolve();
  await settled();
});

Deno.test("Pipeline: the response of a client that left its place in line is read off", async () => {
  const stage = new PipelineStage();
  const exchanges = await three(stage);
  exchanges[1].cancel();
  assertEquals(await exchanges[1].done, "client_gone");
  stage.conns[0].push(answerTo("/1") + `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\n/2\r\n0\r\n\r\n` + answerTo("/3"));
  await settled();
  assertEquals(outcomes(exchanges), ["200 /1", "client_gone", "200 /3"]);
  assertEquals(`${stage.pool}`, "pool x/y: 0 active, 0 waiting, 1 idle");
});

Deno.test("Pipeline: so is that of the client in front, while others wait behind it", async () => {
  const stage = new PipelineStage();
  const exchanges = await three(stage);
  exchanges[0].cancel();
  stage.conns[0].push(answerTo("/1") + answerTo("/2") + answerTo("/3"));
  await settled();
  assertEquals(outcomes(exchanges), ["client_gone", "200 /2", "200 /3"]);
});

Deno.test("Pipeline: a 1xx for a client that has left goes to nobody", async () => {
  const stage = new PipelineStage();
  const exchanges = await three(stage);
  exchanges[0].cancel();
  exchanges[1].cancel();
  const early = "HTTP/1.1 103 Early Hints\r\n\r\n";
  stage.conns[0].push(early + answerTo("/1") + early + answerTo("/2") + early + answerTo("/3"));
  await settled();
  assertEquals(outcomes(exchanges), ["client_gone", "client_gone", "200 /3"]);
  assertEquals(exchanges.map(({ informational }) => informational), [[], [], [103]]);
});

Deno.test("Pipeline: one that is too large to be read off closes the connection", async () => {
  const stage = new PipelineStage();
  const exchanges = await three(stage);
  exchanges[1].cancel();
  stage.conns[0].push(answerTo("/1") + `${OK}Content-Length: 1000000\r\n\r\nx`);
  await settled();
  assertEquals(outcomes(exchanges), ["200 /1", "client_gone", "connection_reset"]);
  assertEquals(stage.conns[0].isClosed, true);
});

Deno.test("Pipeline: a client that leaves alone, or in the middle of its body, closes the connection", async () => {
  const stage = new PipelineStage();
  const exchanges = await three(stage);
  stage.conns[0].push(answerTo("/1") + `${OK}Content-Length: 9\r\n\r\nhalf`);
  await settled();
  exchanges[1].cancel();
  await settled();
  assertEquals(outcomes(exchanges), ["200 /1", "client_gone", "connection_reset"]);
  const alone = stage.request("/alone");
  await settled();
  alone.cancel();
  assertEquals([await alone.done, stage.conns.map(({ isClosed }) => isClosed)], ["client_gone", [true, true]]);
});

Deno.test("Pipeline: who is held up by the one in front goes elsewhere, and that one goes on", async () => {
  const stage = new PipelineStage();
  const exchanges = await three(stage);
  stage.advance(100);
  await settled();
  assertEquals(outcomes(exchanges), ["", "", ""]);
  stage.advance(200);
  await settled();
  assertEquals(outcomes(exchanges), ["", "connection_reset", "connection_reset"]);
  assertEquals([stage.pool.pipelineLost, stage.pipelines.depth], [2, 2]);
  stage.conns[0].push(answerTo("/1"));
  assertEquals(await exchanges[0].done, "200 /1");
  assertEquals(stage.conns[0].isClosed, true, "answers to requests that nobody waits for may still come");
});

Deno.test("PipelinePool: nobody is put behind an overdue response, nor behind a large body", async () => {
  const stage = new PipelineStage();
  await stage.warmUp(4);
  const slow = stage.request("/slow");
  await settled();
  stage.nowMs += 50;
  const other = stage.request("/other");
  await settled();
  assertEquals(stage.conns.length, 2);
  stage.conns[1].push(`${OK}Content-Length: 100000\r\n\r\n`);
  await settled();
  const third = stage.request("/third");
  await settled();
  assertEquals([stage.conns.length, targetsIn(stage.conns[1].written)], [3, ["/other"]]);
  for (const conn of stage.conns) conn.end();
  await Promise.all([slow.done, other.done, third.done]);
});

Deno.test("PipelinePool: goes to the least loaded connection once that of this turn is full", async () => {
  const stage = new PipelineStage(4);
  await stage.warmUp(4);
  const exchanges = Array.from({ length: 6 }, (_, index) => stage.request(`/${index}`));
  await settled();
  const targets = () => stage.conns.map(({ written }) => targetsIn(written).sort());
  // Who waits for a connection shares the first that comes; the one that was dialled for the other stays idle.
  assertEquals(targets(), [["/0", "/1", "/2", "/3"], ["/4", "/5"], []]);
  const late = stage.request("/late");
  await settled();
  assertEquals(targets(), [["/0", "/1", "/2", "/3"], ["/4", "/5", "/late"], []]);
  for (const conn of stage.conns) conn.end();
  await Promise.all([...exchanges, late].map(({ done }) => done));
});

Deno.test("PipelinePool: who waits for a connection gets the first place that is free", async () => {
  const stage = new PipelineStage(2, { connectionsMax: 1 });
  await stage.warmUp(2);
  const exchanges = ["/1", "/2", "/3", "/4"].map((target) => stage.request(target));
  await settled();
  assertEquals(stage.pool.waitingCount, 2);
  stage.conns[0].push(answerTo("/1"));
  await settled();
  assertEquals([stage.pool.waitingCount, targetsIn(stage.conns[0].written)], [1, ["/1", "/2", "/3"]]);
  stage.conns[0].push(answerTo("/2") + answerTo("/3"));
  await settled();
  stage.conns[0].push(answerTo("/4"));
  assertEquals(await Promise.all(exchanges.map(({ done }) => done)), ["200 /1", "200 /2", "200 /3", "200 /4"]);
});

Deno.test("PipelinePool: who leaves the line, whichever way, is kept no longer", async () => {
  const stage = new PipelineStage(2, { connectionsMax: 1 });
  await stage.warmUp(2);
  const busy = ["/1", "/2", "/3"].map((target) => stage.request(target));
  await settled();
  assertEquals([stage.pool.waitingCount, stage.pipelines.waitingCount], [1, 1]);
  stage.conns[0].push(answerTo("/1"));
  await settled();
  assertEquals([stage.pool.waitingCount, stage.pipelines.waitingCount], [0, 0], "served");
  const wait = () => {
    const waiter = stage.pipelines.acquire(stage.nowMs, CLIENT);
    assert(waiter instanceof Waiter);
    waiter.stream.catch(() => {});
    return waiter;
  };
  const leaving = Array.from({ length: 50 }, wait);
  assertEquals([stage.pool.waitingCount, stage.pipelines.waitingCount], [50, 50]);
  for (const waiter of leaving.reverse()) waiter.cancel(new ProxyError("client_gone"));
  assertEquals([stage.pool.waitingCount, stage.pipelines.waitingCount], [0, 0], "given up");
  Array.from({ length: 10 }, wait);
  stage.advance(60_000);
  assertEquals([stage.pool.waitingCount, stage.pipelines.waitingCount], [0, 0], "too late");
  for (const conn of stage.conns) conn.end();
  await Promise.all(busy.map(({ done }) => done));
});

Deno.test("PipelinePool: who wants a connection for itself does not starve behind streams", async () => {
  const stage = new PipelineStage(2, { connectionsMax: 1 });
  await stage.warmUp(2);
  const before = [stage.request("/1"), stage.request("/2")];
  await settled();
  const whole = stage.pool.acquire(stage.nowMs, CLIENT);
  assert(whole instanceof Waiter);
  let got: BackendStream | null = null;
  whole.stream.then((stream) => got = stream);
  const after = stage.request("/3");
  stage.conns[0].push(answerTo("/1"));
  await settled();
  assertEquals([targetsIn(stage.conns[0].written), got], [["/1", "/2"], null]);
  stage.conns[0].push(answerTo("/2"));
  await settled();
  assert(got !== null);
  stage.pool.release(got, stage.nowMs);
  await settled();
  stage.conns[0].push(answerTo("/3"));
  assertEquals(await Promise.all([...before, after].map(({ done }) => done)), ["200 /1", "200 /2", "200 /3"]);
});

Deno.test("PipelinePool: a connection in constant use ends after max_requests", async () => {
  const stage = new PipelineStage(8, { exchangesMax: 3 });
  const first = stage.request("/0");
  await settled();
  stage.conns[0].push(answerTo("/0"));
  await first.done;
  const exchanges = ["/1", "/2", "/3"].map((target) => stage.request(target));
  await settled();
  assertEquals(stage.conns.map(({ written }) => targetsIn(written)), [["/0", "/1", "/2"], ["/3"]]);
  stage.conns[0].push(answerTo("/1") + answerTo("/2"));
  stage.conns[1].push(answerTo("/3"));
  await Promise.all(exchanges.map(({ done }) => done));
  assertEquals([stage.conns[0].isClosed, stage.conns[1].isClosed], [true, false]);
});

Deno.test("PipelinePool: a backend that keeps losing requests gets whole connections for a minute", async () => {
  const stage = new PipelineStage(8, { connectionsMax: 100 });
  await stage.warmUp(8);
  for (let round = 0; stage.fallbacks.length === 0; round++) {
    assert(round < 10, "never fell back");
    const from = stage.conns.length;
    const exchanges = ["/1", "/2", "/3"].map((target) => stage.request(target));
    await settled();
    const used = round === 0 ? stage.conns : stage.conns.slice(from);
    for (const conn of used) conn.push(answerTo("/1")), conn.end();
    await Promise.all(exchanges.map(({ done }) => done));
    stage.nowMs += 100;
  }
  assertEquals([stage.pool.pipelineFallbacks, stage.pipelines.depth], [1, 1]);
  const got = stage.pipelines.acquire(stage.nowMs, CLIENT);
  assertEquals(got instanceof Waiter && got.wantsWhole, true);
  stage.nowMs += 60_000;
  assert(stage.pipelines.depth > 1);
  if (got instanceof Waiter) stage.pipelines.release(await got.stream, stage.nowMs);
});
