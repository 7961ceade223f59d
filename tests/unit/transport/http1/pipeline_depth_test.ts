import { assert, assertEquals } from "../../../support/assert.ts";
import { PipelineDepth } from "../../../../lib/transport/http1/pipeline_depth.ts";
import { FALLBACK_MS, PipelineTrust } from "../../../../lib/transport/http1/pipeline_trust.ts";

function after(samples: ReadonlyArray<readonly [tookMs: number, wasQueued: boolean, times: number]>): PipelineDepth {
  const depth = new PipelineDepth(8);
  let nowMs = -100_000;
  for (const [tookMs, wasQueued, times] of samples) {
    for (let time = 0; time < times; time++) depth.onAnswered(tookMs, wasQueued, nowMs += tookMs);
  }
  return depth;
}

const DEPTHS: ReadonlyArray<readonly [name: string, samples: Parameters<typeof after>[0], depth: number]> = [
  ["nothing known", [], 1],
  ["a first answer", [[1, false, 1]], 2],
  ["quick answers in line", [[1, false, 1], [2, true, 1000]], 8],
  ["a far backend, quick in line", [[80, false, 1], [90, true, 1000]], 8],
  ["one late answer in line", [[1, false, 1], [2, true, 1000], [50, true, 1]], 4],
  ["late answers in line", [[1, false, 1], [2, true, 1000], [50, true, 10]], 1],
  ["a slow backend, each waits for the one before", [[100, false, 50], [200, true, 1]], 1],
  ["a slow backend, once found out", [[100, false, 50], [200, true, 1], [100, false, 2]], 1],
];
for (const [name, samples, depth] of DEPTHS) {
  Deno.test(`PipelineDepth: ${name}: ${depth}`, () => assertEquals(after(samples).depth, depth));
}

Deno.test("PipelineDepth is halved once for all that were sent before", () => {
  const depth = after([[1, false, 1], [2, true, 1000]]);
  for (let stream = 0; stream < 7; stream++) depth.onAnswered(50, true, 10 + stream / 10);
  assertEquals(depth.depth, 4);
  depth.onAnswered(50, true, 100);
  assertEquals(depth.depth, 2);
});

Deno.test("PipelineDepth tries a slow backend again, ever more rarely", () => {
  const depth = after([[100, false, 50]]);
  depth.onAnswered(200, true, 0);
  const probes: number[] = [];
  for (let nowMs = 0; nowMs < 20_000; nowMs += 100) {
    depth.onAnswered(100, false, nowMs);
    if (depth.depth === 1) continue;
    probes.push(nowMs);
    depth.onAnswered(200, true, nowMs);
  }
  assertEquals(probes, [300, 800, 1800, 3800, 5800, 7800, 9800, 11_800, 13_800, 15_800, 17_800, 19_800]);
});

Deno.test("PipelineDepth stays deep with few late answers, and shallow with many", () => {
  const depthWith = (share: number) => {
    const depth = after([[1, false, 1]]);
    let sum = 0;
    for (let index = 1; index <= 10_000; index++) {
      const isLate = index % Math.round(1 / share) === 0;
      depth.onAnswered(isLate ? 50 : 2, depth.depth > 1, index * 50);
      sum += depth.depth;
    }
    return sum / 10_000;
  };
  assert(depthWith(0.005) > 5, String(depthWith(0.005)));
  assert(depthWith(0.1) < 3, String(depthWith(0.1)));
});

Deno.test("PipelineTrust falls back when several breaks cost a fair share, for a minute", () => {
  const trust = new PipelineTrust();
  const fell = [0, 100, 200, 300, 400].map((nowMs) => trust.onBroken(7, nowMs));
  assertEquals(fell, [false, false, false, false, true]);
  assertEquals([trust.isTrusted(400), trust.isTrusted(400 + FALLBACK_MS)], [false, true]);
  assertEquals(trust.onBroken(7, 500), false, "it has already");
});

Deno.test("PipelineTrust bears with a backend whose breaks are rare", () => {
  const trust = new PipelineTrust();
  let fallbacks = 0;
  for (let index = 0; index < 200; index++) {
    for (let answer = 0; answer < 1000; answer++) trust.onAnswered();
    if (trust.onBroken(7, index * 50)) fallbacks++;
  }
  assertEquals(fallbacks, 0);
});

Deno.test("PipelineTrust takes connections that end together for one break, and forgets old ones", () => {
  const trust = new PipelineTrust();
  for (let index = 0; index < 50; index++) assertEquals(trust.onBroken(7, 100 + index / 10), false);
  for (let index = 1; index < 50; index++) assertEquals(trust.onBroken(7, index * 11_000), false);
});

Deno.test("PipelineTrust falls back at once when more came than was asked for", () => {
  const trust = new PipelineTrust();
  assertEquals([trust.onSurplus(0), trust.isTrusted(0), trust.onSurplus(1)], [true, false, false]);
});
