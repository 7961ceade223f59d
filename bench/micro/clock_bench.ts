/**
 * What it costs to ask for the time.
 *
 *     deno bench -A bench/micro/clock_bench.ts
 */

import { SYSTEM_CLOCK } from "../../lib/base/clock.ts";

const ASKED = 100;
let sum = 0;

Deno.bench("100 × performance.now()", { group: "clock", baseline: true }, () => {
  for (let i = 0; i < ASKED; i++) sum += performance.now();
});

Deno.bench("100 × nowMs() in one turn", { group: "clock" }, () => {
  for (let i = 0; i < ASKED; i++) sum += SYSTEM_CLOCK.nowMs();
});

Deno.bench("100 × nowMs(), each in a turn of its own", { group: "clock" }, async () => {
  for (let i = 0; i < ASKED; i++) {
    sum += SYSTEM_CLOCK.nowMs();
    await null;
  }
});

Deno.bench("100 turns", { group: "clock" }, async () => {
  for (let i = 0; i < ASKED; i++) {
    sum += i;
    await null;
  }
});
