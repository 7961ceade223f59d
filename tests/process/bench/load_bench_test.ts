/** The bench refuses wrong contenders and wrong answers, and its arithmetic holds. Needs none of the programs. */

import type { Load } from "../../../bench/load/generator.ts";
import { parseH2load } from "../../../bench/load/h2load.ts";
import { faultOf, type LoadResult, loadResult } from "../../../bench/load/load_result.ts";
import { readOptions } from "../../../bench/load/options.ts";
import { prove } from "../../../bench/load/proof.ts";
import { denoScript, output } from "../../../bench/load/bench_process.ts";
import { BODY, type Shape, SHAPES } from "../../../bench/load/shapes.ts";
import { comparisonText, readCompareOptions } from "../../../bench/load/compare.ts";
import { median, medianInterval, roundOrder } from "../../../bench/load/statistics.ts";
import { parseWrk, wrkScript } from "../../../bench/load/wrk.ts";
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "../../support/assert.ts";
import { answer, response, type Script } from "../../support/backend_scripts.ts";
import { ScriptedBackend } from "../../support/scripted_backend.ts";

const good: Script = (exchange) => {
  const { request } = exchange;
  const forwarded = `${request.field("x-probe")}|127.0.0.1|http|${request.field("host")}|1.1 good`;
  return exchange.write(response(200, request.target === "/probe" ? forwarded : BODY));
};
const proveSmall = (address: string) => prove({ address, scheme: "http", shape: SHAPES.small }, { authority: "" });

Deno.test("prove() accepts a contender that forwards", async () => {
  await using backend = ScriptedBackend.start(good);
  await proveSmall(backend.address);
  assertEquals(backend.requests.length, 4);
});

const WRONG = [
  { name: "another status", script: answer(response(404, BODY)), says: "gave 404" },
  { name: "another body", script: answer(response(200, "hi")), says: 'with "hi"' },
  { name: "a client that is not forwarded", script: [good, answer(response(200, "a|b|c|d|"))], says: "Forwards" },
  { name: "a download of another body", script: [good, good, good, answer(response(200, "x"))], says: "another body" },
  {
    name: "a connection that is not kept",
    script: answer(response(200, BODY, { fields: [["Connection", "close"]] })),
    says: "not keep",
  },
];

for (const { name, script, says } of WRONG) {
  Deno.test(`prove() rejects ${name}`, async () => {
    await using backend = ScriptedBackend.start(script);
    await assertRejects(() => proveSmall(backend.address), Error, says);
  });
}

const load = (address: string, shape: Shape): Load => ({
  address,
  shape,
  scheme: "http",
  http2: false,
  seconds: 1,
  connections: 2,
  isFresh: false,
});

Deno.test("closed_loop.ts counts what was answered, and what was not", async () => {
  await using backend = ScriptedBackend.start([answer(response(503)), good]);
  const script = denoScript("closed_loop.ts", JSON.stringify(load(backend.address, SHAPES.post1k)));
  const result: LoadResult = JSON.parse(await output(script));
  assertEquals(result.failed, 1);
  assertEquals(backend.requests.length, result.requests + result.failed);
  assertEquals(result.bytes, result.requests * BODY.length);
  assertStringIncludes(faultOf(result, BODY.length), "1 requests were not answered whole with 2xx");
});

Deno.test("open_loop.ts sends by the clock, not by the answers", async () => {
  await using backend = ScriptedBackend.start(good);
  const options = { address: backend.address, shape: SHAPES.small, seconds: 1, ratePerSecond: 50, connections: 1 };
  const result: LoadResult = JSON.parse(await output(denoScript("open_loop.ts", JSON.stringify(options))));
  assertEquals({ requests: result.requests, failed: result.failed }, { requests: 50, failed: 0 });
});

Deno.test("wrkScript() says what is sent", () => {
  const script = wrkScript({ shape: { ...SHAPES.post1k, fields: { "X-A": 'say "hi"' } }, isFresh: true });
  for (const line of ['wrk.method = "POST"', '["X-A"] = "say \\"hi\\""', '["Connection"] = "close"', '"x", 1024']) {
    assertStringIncludes(script, line);
  }
});

Deno.test("parseWrk() reads the line of our script", () => {
  const printed = "Running 1s test\n  2 threads\n\n" +
    '{"requests":10,"micros":2000000,"bytes":1500,"failed":1,"latencies":[800,1250,9000]}\n';
  const expected = { requests: 10, seconds: 2, bytes: 1500, failed: 1, p50Ms: 0.8, p95Ms: 1.25, p99Ms: 9 };
  assertEquals(parseWrk(printed), expected);
  assertThrows(() => parseWrk("unable to connect"), Error, "No result");
});

const H2LOAD = `Application protocol: h2

finished in 2.00s, 2.00 req/s, 1.2KB/s
requests: 4 total, 5 started, 4 done, 3 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 3 2xx, 0 3xx, 0 4xx, 1 5xx
traffic: 1.01KB (1030) total, 260B (260) headers (space savings 33.00%), 264B (264) data
`;

Deno.test("parseH2load() takes percentiles and statuses from its log", () => {
  const log = "1\t200\t1000\n2\t200\t3000\n3\t503\t2000\n4\t200\t4000\n";
  const expected = { requests: 4, seconds: 2, bytes: 264, failed: 1, p50Ms: 3, p95Ms: 4, p99Ms: 4 };
  assertEquals(parseH2load(H2LOAD, log), expected);
});

const RESULT = loadResult([5, 1, 2, 4, 3], { seconds: 1, bytes: 330, failed: 0 });

Deno.test("loadResult() takes percentiles of what is not in order", () => {
  const { requests, p50Ms, p95Ms, p99Ms } = RESULT;
  assertEquals({ requests, p50Ms, p95Ms, p99Ms }, { requests: 5, p50Ms: 3, p95Ms: 5, p99Ms: 5 });
});

const FAULTS = [
  { name: "nothing wrong", result: RESULT, says: "" },
  { name: "a failed request", result: { ...RESULT, failed: 2 }, says: "2 requests were not answered whole with 2xx" },
  { name: "no request", result: { ...RESULT, requests: 0 }, says: "no request was answered" },
  { name: "a short body", result: { ...RESULT, bytes: 329 }, says: "bodies were short: 329 bytes instead of 330" },
];

for (const { name, result, says } of FAULTS) {
  Deno.test(`faultOf() ${name}`, () => assertEquals(faultOf(result, BODY.length), says));
}

const MEDIANS = [
  { name: "one value", values: [3], expected: 3 },
  { name: "an odd count, not in order", values: [9, 1, 10], expected: 9 },
  { name: "an even count", values: [4, 1, 2, 3], expected: 2.5 },
];

for (const { name, values, expected } of MEDIANS) {
  Deno.test(`median() of ${name}`, () => assertEquals(median(values), expected));
}

Deno.test("roundOrder() rotates, and turns round every other time", () => {
  const orders = [1, 2, 3, 4].map((round) => roundOrder(["a", "b", "c"], round).join(""));
  assertEquals(orders, ["abc", "acb", "cab", "cba"]);
});

Deno.test("readOptions() names what there is instead of an unknown name", () => {
  assertEquals(readOptions(["--workloads", "small,idle"]).workloads, ["small", "idle"]);
  assertThrows(() => readOptions(["--only", "ngins"]), TypeError, 'No contender "ngins"; there are nginx, haproxy');
  assertThrows(() => readOptions(["--rounds", "0"]), TypeError, "Cannot use --rounds");
});

Deno.test("medianInterval() narrows as the values become many", () => {
  assertEquals(medianInterval([3]), [3, 3]);
  assertEquals(medianInterval([1, 2, 3, 4]), [1, 4]);
  assertEquals(medianInterval(Array.from({ length: 100 }, (_, at) => at)), [40, 59]);
});

Deno.test("comparisonText() gives the ratio of each turn, not that of the medians", () => {
  const text = comparisonText("small", ["base", "head", "nginx"], [[[10, 12, 10], [20, 22, 20]], [[40, 48, 40]]]);
  assertStringIncludes(text, "head ÷ base 1.200 (95 %: 1.100 to 1.200); by set of processes 1.150 1.200");
  assertStringIncludes(text, "head: 22.0 CPU µs / request, ÷ nginx 1.20");
});

Deno.test("readCompareOptions() names what it cannot use", () => {
  assertThrows(() => readCompareOptions([]), TypeError, "--base");
  assertThrows(() => readCompareOptions(["--base", ".", "--workloads", "tiny"]), TypeError, 'No workload "tiny"');
  assertThrows(() => readCompareOptions(["--base", ".", "--engine", "x"]), TypeError, "--engine");
});
