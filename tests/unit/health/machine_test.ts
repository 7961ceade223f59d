import { assertEquals } from "@std/assert";
import { HealthMachine } from "../../../lib/health/machine.ts";
import { REFUSED } from "../../../lib/health/gate.ts";
import type { HealthState } from "../../../lib/health/reason.ts";
import { CIRCUIT, PROBE_OPEN, RAMPING, SETTINGS, Stage, START_MS, TRAFFIC_OPEN } from "./health_stage.ts";

Deno.test("HealthMachine doubles its waits up to the longest", () => {
  const stage = new Stage(SETTINGS).play(TRAFFIC_OPEN);
  const waits = [];
  for (let i = 0; i < 6; i++) {
    waits.push(stage.machine.untilMs - stage.nowMs);
    stage.play(`wait ${waits[i]}, take, bad`);
  }
  assertEquals(waits, [100, 200, 400, 800, 1000, 1000]);
});

Deno.test("HealthMachine keeps doubling when good spells are short, starts over after a calm one", () => {
  const stage = new Stage(SETTINGS).play(TRAFFIC_OPEN);
  const waits = [];
  for (const calmMs of [999, 999, 1000, 5]) {
    waits.push(stage.machine.untilMs - stage.nowMs);
    stage.play(`wait ${waits.at(-1)}, take, good, wait ${calmMs}, take, bad*3`);
  }
  waits.push(stage.machine.untilMs - stage.nowMs);
  assertEquals(waits, [100, 200, 400, 100, 200]);
});

Deno.test("HealthMachine.tryAdmit() lets one through in probation", () => {
  const { machine, nowMs } = new Stage(SETTINGS).play(`${TRAFFIC_OPEN}, wait 100`);
  assertEquals(machine.isEligible, true);
  const trial = machine.tryAdmit(nowMs);
  assertEquals([trial !== REFUSED, machine.isEligible, machine.tryAdmit(nowMs)], [true, false, REFUSED]);
  machine.releaseToken(trial);
  assertEquals(machine.isEligible, true);
  const second = machine.tryAdmit(nowMs);
  machine.releaseToken(trial);
  assertEquals([second !== REFUSED, machine.tryAdmit(nowMs)], [true, REFUSED]);
});

Deno.test("HealthMachine.tick() gives up a trial that nobody brings back", () => {
  const stage = new Stage(SETTINGS).play(`${TRAFFIC_OPEN}, wait 100, take, wait 999`);
  assertEquals(stage.machine.isEligible, false);
  assertEquals(stage.play("wait 1").machine.isEligible, true);
});

Deno.test("HealthMachine.tryAdmit() ends a wait that tick has not seen yet", () => {
  const { machine, nowMs } = new Stage(SETTINGS).play(TRAFFIC_OPEN);
  assertEquals(machine.tryAdmit(nowMs + 99), REFUSED);
  assertEquals(machine.tryAdmit(nowMs + 100) % 2, 1);
});

Deno.test("HealthMachine.rampFraction() grows from a tenth to one", () => {
  const { machine } = new Stage(RAMPING, "slow_start");
  const fractions = [0, 10, 50, 100, 200, 300].map((ms) => machine.rampFraction(START_MS + ms));
  assertEquals(fractions, [0.1, 0.1, 0.25, 0.5, 1, 1]);
});

Deno.test("HealthMachine starts without a ramp when none is configured", () => {
  assertEquals(new Stage(SETTINGS, "slow_start").machine.state, "healthy");
  assertEquals(new Stage(RAMPING, "slow_start").play("wait 200").machine.state, "healthy");
  assertEquals(new Stage(SETTINGS, "disabled").machine.state, "disabled");
});

Deno.test("HealthMachine.mayBeSpared is true only when it answers badly", () => {
  const cases: [string, boolean][] = [
    ["take, good", false],
    ["take, bad bad_status*3", true],
    ["take, bad connect_refused*3", false],
    [PROBE_OPEN, false],
    ["take, bad bad_status*3, wait 100, take, bad connect_timeout", false],
    ["take, bad connect_refused*3, wait 100, take, bad bad_status", true],
  ];
  for (const [script, expected] of cases) {
    assertEquals([script, new Stage(SETTINGS).play(script).machine.mayBeSpared], [script, expected]);
  }
});

/**
 * The classic: /healthz says 200 while every request fails. Without memory of who vouched, the backend would be back
 * after every `rise` probes.
 */
Deno.test("HealthMachine does not flap when probes pass and requests fail", () => {
  const stage = new Stage({ ...SETTINGS, circuit: { ...CIRCUIT, maxOpenMs: 10_000 } });
  let failures = 0;
  for (let step = 0; step < 6000; step++) {
    stage.play("wait 10");
    if (step % 5 === 0) stage.play("pass");
    stage.play("take");
    if (stage.ticket === REFUSED) continue;
    failures++;
    stage.play("bad");
  }
  // 3 to open; then one trial each after a vouched wait, and after 200, 400, … 10 000 ms: 60 s hold about 11 of them.
  assertEquals(stage.changes.filter((change) => change.to === "healthy").length, 0);
  assertEquals(failures <= 16, true, `${failures} requests failed`);
});

Deno.test("HealthMachine.snapshot() prints what led here", () => {
  const { machine } = new Stage(SETTINGS).play("take, good, bad*2, fail");
  assertEquals(machine.snapshot(), {
    state: "healthy",
    reason: { cause: "join", code: "join", count: 0 },
    sinceMs: START_MS,
    untilMs: -1,
    waitMs: 0,
    openings: 0,
    consecutiveFailures: 2,
    windowRequests: 3,
    windowFailures: 2,
    probePasses: 0,
    probeFailures: 1,
  });
});

Deno.test("HealthMachine notifies listeners until they unsubscribe", () => {
  const { machine } = new Stage(SETTINGS);
  const seen: HealthState[] = [];
  const listener = { healthChanged: (changed: HealthMachine) => void seen.push(changed.state) };
  machine.subscribe(listener);
  machine.admin("drain", START_MS);
  machine.unsubscribe(listener);
  machine.admin("enable", START_MS);
  assertEquals(seen, ["draining"]);
});
