/** The bench refuses wrong contenders, and its arithmetic holds. */

import { roundOrder } from "../../bench/load/main.ts";
import { BODY } from "../../bench/load/body.ts";
import { chooseGenerator } from "../../bench/load/generator.ts";
import { proveCorrect } from "../../bench/load/proof.ts";
import { median, resultTables, type Sample } from "../../bench/load/report.ts";
import { assertEquals, assertInRange, assertRejects, assertStringIncludes } from "./assert.ts";
import { answer, response, type Script } from "./backend_scripts.ts";
import { ScriptedBackend } from "./scripted_backend.ts";

const good: Script = (exchange) =>
  exchange.write(response(200, exchange.request.target === "/probe" ? exchange.request.field("x-probe")! : BODY));

Deno.test("proveCorrect() accepts a contender that forwards", async () => {
  await using backend = ScriptedBackend.start(good);
  await proveCorrect("good", backend.address);
  assertEquals(backend.requests.length, 3);
});

const WRONG = [
  { name: "another status", script: answer(response(404, BODY)), says: "gave 404" },
  { name: "another body", script: answer(response(200, "hi")), says: 'with "hi"' },
  { name: "a field that is not forwarded", script: [good, answer(response(200, ""))], says: "GET /probe" },
  {
    name: "a connection that is not kept",
    script: answer(response(200, BODY, { fields: [["Connection", "close"]] })),
    says: "does not keep",
  },
];

for (const { name, script, says } of WRONG) {
  Deno.test(`proveCorrect() rejects ${name}`, async () => {
    await using backend = ScriptedBackend.start(script);
    await assertRejects(() => proveCorrect("wrong", backend.address), Error, says);
  });
}

Deno.test("Generator.run() counts what was answered", async () => {
  await using backend = ScriptedBackend.start(good);
  const generator = await chooseGenerator();
  const result = await generator.run({ address: backend.address, seconds: 1, connections: 2 });
  // One request of each connection may be on its way at the end.
  assertInRange(backend.requests.length - result.requests, 0, 2);
});

Deno.test("Generator.run() rejects when a request is not answered with 2xx", async () => {
  await using backend = ScriptedBackend.start([good, answer(response(503))]);
  const generator = await chooseGenerator();
  await assertRejects(() => generator.run({ address: backend.address, seconds: 1, connections: 1 }), Error);
});

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

Deno.test("resultTables() divides medians by those of the baselines", () => {
  const sample = (contender: string, round: number, cpuMicrosPerRequest: number): Sample => ({
    contender,
    round,
    cpuMicrosPerRequest,
    requests: 1,
    requestsPerSecond: 1000,
    p50Ms: 1,
    p99Ms: 2,
  });
  const text = resultTables([sample("nginx", 1, 20), sample("sluice-wire", 1, 30), sample("nginx", 2, 30)]);
  assertStringIncludes(text, "| sluice-wire | 30.0 | 1.20 | 1000 | 1.00 |");
  assertStringIncludes(text, "| nginx | 20.0 30.0 | 1000 1000 | 2.0 2.0 |");
});
