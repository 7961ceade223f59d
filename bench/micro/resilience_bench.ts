/** What health and retry cost a request: `deno bench -A bench/micro/resilience_bench.ts`. */

import { HealthMachine } from "../../lib/health/machine.ts";
import { HealthGroup } from "../../lib/health/group.ts";
import { DoublingBackoff, HalfAgainBackoff, PowerBackoff } from "../../lib/resilience/backoff.ts";
import { RetryBudget } from "../../lib/resilience/budget.ts";
import { compileRetry, type RetryFacts, retryVerdict } from "../../lib/resilience/retry_policy.ts";

/** Calls per iteration: one alone is below the clock's grain. */
const CALLS = 1000;

const settings = {
  health: { rise: 2, fall: 3 },
  circuit: { failures: 5, errorRate: 0.5, windowMs: 10_000, minRequests: 20, openMs: 5000, maxOpenMs: 300_000 },
  slowStartMs: 0,
};
const machine = new HealthMachine(settings, { nowMs: 0, state: "healthy" });
const group = new HealthGroup([{ machine, weight: 1, backup: false }], {
  circuit: { maxEjectedPercent: 100 },
  panicThresholdPercent: 0,
});
const untried = new Int32Array(1);
let nowMs = 0;
let sink = 0;

Deno.bench("admit and report success, ×1000", { group: "health", baseline: true }, () => {
  for (let i = 0; i < CALLS; i++) {
    nowMs += 0.05;
    machine.onTrafficSuccess(nowMs, group.admit(0, nowMs, untried));
  }
});

Deno.bench("admit and report, one in ten fails, ×1000", { group: "health" }, () => {
  for (let i = 0; i < CALLS; i++) {
    nowMs += 0.05;
    const ticket = group.admit(0, nowMs, untried);
    if (i % 10 === 0) machine.onTrafficFailure("connection_reset", nowMs, ticket);
    else machine.onTrafficSuccess(nowMs, ticket);
  }
});

const retry = compileRetry({
  attempts: 2,
  on: { connect: true, reset: true, timeout: false, statuses: [503] },
  methods: ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"],
});
const facts: RetryFacts = {
  code: "connection_reset",
  status: 0,
  method: "GET",
  hasIdempotencyKey: false,
  bodyIntact: true,
  headSentDown: false,
  attempts: 1,
  budgetAvailable: true,
  staleConnection: false,
  staleRetried: false,
};
const variants: RetryFacts[] = [
  facts,
  { ...facts, code: "connect_refused", method: "POST" },
  { ...facts, code: "", status: 503 },
  { ...facts, code: "", status: 200 },
];
const budget = new RetryBudget(0.2);

Deno.bench("retryVerdict, ×1000", { group: "retry", baseline: true }, () => {
  for (let i = 0; i < CALLS; i++) sink += retryVerdict(variants[i & 3], retry);
});

Deno.bench("RetryBudget.onRequest, ×1000", { group: "retry" }, () => {
  for (let i = 0; i < CALLS; i++) budget.onRequest(nowMs += 0.05);
});

Deno.bench("RetryBudget.tryTake, ×1000", { group: "retry" }, () => {
  for (let i = 0; i < CALLS; i++) if (budget.tryTake(nowMs += 0.05)) sink++;
});

const shape = { initialMs: 25, maxMs: 2500, jitter: 1 };
const power2 = new PowerBackoff({ ...shape, multiplier: 2 });
const doubling = new DoublingBackoff({ ...shape, multiplier: 2 });
const power15 = new PowerBackoff({ ...shape, multiplier: 1.5 });
const halfAgain = new HalfAgainBackoff({ ...shape, multiplier: 1.5 });

Deno.bench("multiplier 2 by Math.pow, ×1000", { group: "backoff 2", baseline: true }, () => {
  for (let i = 0; i < CALLS; i++) sink += power2.delayMs((i & 7) + 1, 0.5);
});

Deno.bench("multiplier 2 by shift, ×1000", { group: "backoff 2" }, () => {
  for (let i = 0; i < CALLS; i++) sink += doubling.delayMs((i & 7) + 1, 0.5);
});

Deno.bench("multiplier 1.5 by Math.pow, ×1000", { group: "backoff 1.5", baseline: true }, () => {
  for (let i = 0; i < CALLS; i++) sink += power15.delayMs((i & 7) + 1, 0.5);
});

Deno.bench("multiplier 1.5 by look-up, ×1000", { group: "backoff 1.5" }, () => {
  for (let i = 0; i < CALLS; i++) sink += halfAgain.delayMs((i & 7) + 1, 0.5);
});

/** Keeps the results alive. */
globalThis.addEventListener("unload", () => {
  if (Number.isNaN(sink)) throw new Error("A benchmark computed nothing");
});
