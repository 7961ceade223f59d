import { assertEquals, assertThrows } from "@std/assert";
import { ERROR_TRAITS, type ErrorCode } from "../lib/base/errors.ts";
import { HealthMachine, REFUSED } from "../lib/backend/health.ts";
import {
  describeReason,
  type FailureCode,
  type HealthChange,
  type HealthReason,
  type HealthState,
  isBackendFault,
  isUnreachable,
  statusTable,
} from "../lib/backend/health_reason.ts";
import type { HealthSettings } from "../lib/backend/health_settings.ts";

const CIRCUIT = { failures: 3, errorRate: 0.5, windowMs: 1000, minRequests: 10, openMs: 100, maxOpenMs: 1000 };
const SETTINGS: HealthSettings = { health: { rise: 2, fall: 3 }, circuit: CIRCUIT, slowStartMs: 0 };
const RAMPING: HealthSettings = { ...SETTINGS, slowStartMs: 200 };
const START_MS = 10_000;

/** Drives one machine by words, so that a row of the table reads as a story. Time stands still but for `wait`. */
class Stage {
  readonly machine: HealthMachine;
  readonly changes: HealthChange[] = [];
  nowMs = START_MS;
  ticket = REFUSED;

  constructor(settings: HealthSettings, state: "healthy" | "slow_start" | "draining" | "disabled" = "healthy") {
    this.machine = new HealthMachine(settings, { nowMs: this.nowMs, state }, (change) => this.changes.push(change));
  }

  play(script: string): this {
    for (const line of script.split(",").map((word) => word.trim())) {
      const [word, times] = line.split("*");
      for (let i = 0; i < Number(times ?? 1); i++) this.#step(word.trim());
    }
    return this;
  }

  #step(word: string): void {
    const [verb, detail] = word.split(" ");
    switch (verb) {
      case "take":
        this.ticket = this.machine.tryAdmit(this.nowMs);
        break;
      case "spare":
        this.ticket = this.machine.admitSpared(this.nowMs);
        break;
      case "good":
        this.machine.onTrafficSuccess(this.nowMs, this.ticket);
        break;
      case "bad":
        this.machine.onTrafficFailure((detail ?? "connection_reset") as FailureCode, this.nowMs, this.ticket);
        break;
      case "giveback":
        this.machine.releaseToken(this.ticket);
        break;
      case "pass":
        this.machine.onProbeSuccess(this.nowMs);
        break;
      case "fail":
        this.machine.onProbeFailure("response_timeout", this.nowMs);
        break;
      case "wait":
        this.nowMs += Number(detail);
        this.machine.tick(this.nowMs);
        break;
      case "drain":
      case "disable":
      case "enable":
        this.machine.admin(verb, this.nowMs);
        break;
      default:
        throw new SyntaxError(`Unknown step "${word}"`);
    }
  }
}

const TRAFFIC_OPEN = "take, bad*3";
const PROBE_OPEN = "fail*3";
const RESET_STREAK = "connection_reset × 3 (traffic)";

interface Row {
  readonly name: string;
  readonly given?: HealthSettings;
  readonly script: string;
  readonly state: HealthState;
  /** `describeReason` of the last change; "join (join)" before any. */
  readonly reason: string;
  readonly untilMs?: number;
}

const ROWS: Row[] = [
  // healthy
  { name: "starts healthy", script: "wait 1", state: "healthy", reason: "join (join)" },
  { name: "bears fewer failures than the limit", script: "take, bad*2", state: "healthy", reason: "join (join)" },
  { name: "a success ends a streak", script: "take, bad*2, good, bad*2", state: "healthy", reason: "join (join)" },
  {
    name: "opens after failures in a row",
    script: "take, bad connect_refused*3",
    state: "open",
    reason: "connect_refused × 3 (traffic)",
    untilMs: START_MS + 100,
  },
  {
    name: "bad statuses count",
    script: "take, bad bad_status*3",
    state: "open",
    reason: "bad_status × 3 (traffic)",
  },
  {
    name: "ignores what the client did",
    script: "take, bad client_gone*9",
    state: "healthy",
    reason: "join (join)",
  },
  {
    name: "opens at the error rate once the window holds enough",
    script: "take, bad, good, bad, good, bad, good, bad, good, good, bad",
    state: "open",
    reason: "error_rate × 5 (traffic)",
  },
  {
    name: "a rate over too few requests means nothing",
    script: "take, bad, good, bad, good, bad, good, bad, good, bad",
    state: "healthy",
    reason: "join (join)",
  },
  {
    name: "failures that left the window do not count",
    script: "take, bad, good, bad, good, bad, good, bad, good, good, wait 1001, bad",
    state: "healthy",
    reason: "join (join)",
  },
  {
    name: "failures 0 turns the streak rule off",
    given: { ...SETTINGS, circuit: { ...CIRCUIT, failures: 0, errorRate: 0 } },
    script: "take, bad*50",
    state: "healthy",
    reason: "join (join)",
  },
  { name: "bears fewer failed probes than fall", script: "fail*2", state: "healthy", reason: "join (join)" },
  { name: "a passing probe ends a streak", script: "fail*2, pass, fail*2", state: "healthy", reason: "join (join)" },
  {
    name: "opens after failed probes",
    script: PROBE_OPEN,
    state: "open",
    reason: "response_timeout × 3 (probe)",
    untilMs: START_MS + 100,
  },
  {
    name: "a passing probe does not end a streak of requests",
    script: "take, bad*2, pass*5, bad",
    state: "open",
    reason: "connection_reset × 3 (traffic)",
  },
  {
    name: "a good request does not end a streak of probes",
    script: "fail*2, take, good*5, fail",
    state: "open",
    reason: "response_timeout × 3 (probe)",
  },
  {
    name: "probes without a health section do nothing",
    given: { ...SETTINGS, health: null },
    script: "fail*50",
    state: "healthy",
    reason: "join (join)",
  },
  // open
  { name: "open keeps for its wait", script: `${TRAFFIC_OPEN}, wait 99`, state: "open", reason: RESET_STREAK },
  {
    name: "open turns to probation when the wait is over",
    script: `${TRAFFIC_OPEN}, wait 100`,
    state: "probation",
    reason: "wait_over (timer)",
  },
  { name: "stragglers do not close it", script: `${TRAFFIC_OPEN}, good*5`, state: "open", reason: RESET_STREAK },
  {
    name: "stragglers do not lengthen the wait",
    script: `${TRAFFIC_OPEN}, bad*5, wait 100`,
    state: "probation",
    reason: "wait_over (timer)",
  },
  { name: "admits nobody while open", script: `${TRAFFIC_OPEN}, take, good`, state: "open", reason: RESET_STREAK },
  {
    name: "probes close what they opened",
    script: `${PROBE_OPEN}, pass*2`,
    state: "healthy",
    reason: "probes_passed × 2 (probe)",
  },
  {
    name: "one passing probe is not a rise",
    script: `${PROBE_OPEN}, pass`,
    state: "open",
    reason: "response_timeout × 3 (probe)",
  },
  {
    name: "passes before a failure do not count for the rise",
    script: `${PROBE_OPEN}, pass, fail, pass`,
    state: "open",
    reason: "response_timeout × 3 (probe)",
  },
  {
    name: "probes move to probation what traffic opened",
    script: `${TRAFFIC_OPEN}, pass*2`,
    state: "probation",
    reason: "probes_passed × 2 (probe)",
  },
  {
    name: "passes from before the opening do not count",
    script: `pass*9, ${TRAFFIC_OPEN}, pass`,
    state: "open",
    reason: RESET_STREAK,
  },
  {
    name: "failed probes put the wait off",
    script: `${PROBE_OPEN}, wait 90, fail, wait 90`,
    state: "open",
    reason: "response_timeout × 3 (probe)",
    untilMs: START_MS + 190,
  },
  {
    name: "fewer failed probes than fall do not put off a wait of traffic",
    script: `${TRAFFIC_OPEN}, wait 90, fail, wait 10`,
    state: "probation",
    reason: "wait_over (timer)",
  },
  // probation
  {
    name: "a good trial closes",
    script: `${TRAFFIC_OPEN}, wait 100, take, good`,
    state: "healthy",
    reason: "trial_passed (traffic)",
  },
  {
    name: "a good trial closes what probes opened",
    script: `${PROBE_OPEN}, wait 100, take, good`,
    state: "healthy",
    reason: "trial_passed (traffic)",
  },
  {
    name: "a bad trial reopens for longer",
    script: `${TRAFFIC_OPEN}, wait 100, take, bad`,
    state: "open",
    reason: "connection_reset (traffic)",
    untilMs: START_MS + 300,
  },
  {
    name: "a failed probe reopens for longer",
    script: `${TRAFFIC_OPEN}, wait 100, fail`,
    state: "open",
    reason: "response_timeout (probe)",
    untilMs: START_MS + 300,
  },
  {
    name: "probes do not close the probation of traffic",
    script: `${TRAFFIC_OPEN}, wait 100, pass*9`,
    state: "probation",
    reason: "wait_over (timer)",
  },
  {
    name: "probes close the probation of probes",
    script: `${PROBE_OPEN}, wait 100, pass*2`,
    state: "healthy",
    reason: "probes_passed × 2 (probe)",
  },
  {
    name: "a failed trial makes the episode traffic's",
    script: `${PROBE_OPEN}, wait 100, take, bad, pass*2`,
    state: "probation",
    reason: "probes_passed × 2 (probe)",
  },
  {
    name: "probes that vouched wrongly do not shorten the next wait",
    script: `${TRAFFIC_OPEN}, pass*2, take, bad, pass*9`,
    state: "open",
    reason: "connection_reset (traffic)",
  },
  {
    name: "probes that vouched wrongly do not close it either",
    script: `${TRAFFIC_OPEN}, pass*2, take, bad, wait 200, fail, pass*9`,
    state: "open",
    reason: "response_timeout (probe)",
  },
  {
    name: "a trial without verdict changes nothing",
    script: `${TRAFFIC_OPEN}, wait 100, take, bad client_gone`,
    state: "probation",
    reason: "wait_over (timer)",
  },
  {
    name: "a straggler's failure is not the trial's",
    script: `${TRAFFIC_OPEN}, wait 100, bad`,
    state: "probation",
    reason: "wait_over (timer)",
  },
  {
    name: "a straggler's success is not the trial's",
    script: `${TRAFFIC_OPEN}, wait 100, good`,
    state: "probation",
    reason: "wait_over (timer)",
  },
  {
    name: "a spared request counts in probation",
    script: `${TRAFFIC_OPEN}, spare, wait 100, good`,
    state: "healthy",
    reason: "trial_passed (traffic)",
  },
  // slow start
  {
    name: "closing ramps up",
    given: RAMPING,
    script: `${TRAFFIC_OPEN}, wait 100, take, good`,
    state: "slow_start",
    reason: "trial_passed (traffic)",
  },
  {
    name: "probes closing ramps up",
    given: RAMPING,
    script: `${PROBE_OPEN}, pass*2`,
    state: "slow_start",
    reason: "probes_passed × 2 (probe)",
  },
  {
    name: "the ramp ends",
    given: RAMPING,
    script: `${PROBE_OPEN}, pass*2, wait 200`,
    state: "healthy",
    reason: "ramp_over (timer)",
  },
  {
    name: "failures open in the ramp too",
    given: RAMPING,
    script: `${PROBE_OPEN}, pass*2, take, bad*3`,
    state: "open",
    reason: RESET_STREAK,
    untilMs: START_MS + 200,
  },
  {
    name: "failed probes open in the ramp too",
    given: RAMPING,
    script: `${PROBE_OPEN}, pass*2, fail*3`,
    state: "open",
    reason: "response_timeout × 3 (probe)",
    untilMs: START_MS + 200,
  },
  // admin
  { name: "drain withdraws", script: "drain", state: "draining", reason: "drain (admin)" },
  { name: "disable withdraws", script: "disable", state: "disabled", reason: "disable (admin)" },
  { name: "drain goes on to disable", script: "drain, disable", state: "disabled", reason: "disable (admin)" },
  { name: "disable goes back to drain", script: "disable, drain", state: "draining", reason: "drain (admin)" },
  { name: "drain takes an open one", script: `${TRAFFIC_OPEN}, drain`, state: "draining", reason: "drain (admin)" },
  {
    name: "drain takes one in probation",
    script: `${TRAFFIC_OPEN}, wait 100, take, drain, bad`,
    state: "draining",
    reason: "drain (admin)",
  },
  {
    name: "disable takes one that ramps up",
    given: RAMPING,
    script: `${PROBE_OPEN}, pass*2, disable, wait 500`,
    state: "disabled",
    reason: "disable (admin)",
  },
  {
    name: "traffic does not move a drained one",
    script: "take, drain, bad*9, good",
    state: "draining",
    reason: "drain (admin)",
  },
  {
    name: "probes do not move a drained one",
    script: "drain, fail*9, pass*9",
    state: "draining",
    reason: "drain (admin)",
  },
  { name: "enable ends drain", script: "drain, enable", state: "healthy", reason: "enable (admin)" },
  { name: "enable ends disable", script: "disable, enable", state: "healthy", reason: "enable (admin)" },
  { name: "enable ramps up", given: RAMPING, script: "drain, enable", state: "slow_start", reason: "enable (admin)" },
  {
    name: "enable opens what probes found down",
    script: "drain, fail*4, enable",
    state: "open",
    reason: "response_timeout × 4 (probe)",
    untilMs: START_MS + 100,
  },
  {
    name: "enable gives a clean record",
    script: `${TRAFFIC_OPEN}, drain, enable, take, bad*3`,
    state: "open",
    reason: RESET_STREAK,
    untilMs: START_MS + 100,
  },
  { name: "enable does not close a circuit", script: `${TRAFFIC_OPEN}, enable`, state: "open", reason: RESET_STREAK },
];

for (const { name, given, script, state, reason, untilMs } of ROWS) {
  Deno.test(`HealthMachine ${name}`, () => {
    const { machine, changes } = new Stage(given ?? SETTINGS).play(script);
    assertEquals(machine.state, state);
    assertEquals(describeReason(machine.reason), reason);
    if (untilMs !== undefined) assertEquals(machine.untilMs, untilMs);
    if (state !== "open") assertEquals(machine.untilMs, -1);
    const last = changes.at(-1);
    assertEquals(last?.to ?? "healthy", state);
    assertEquals((last?.reason ?? machine.reason) as HealthReason, machine.reason);
    for (let i = 1; i < changes.length; i++) assertEquals(changes[i].from, changes[i - 1].to);
  });
}

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

const UNREACHABLE: FailureCode[] = [
  "connect_refused",
  "connect_unreachable",
  "connect_failed",
  "connect_timeout",
  "dns_failed",
  "tls_certificate_invalid",
  "tls_failed",
];
const BAD_ANSWER: FailureCode[] = [
  "bad_status",
  "connection_reset",
  "response_timeout",
  "response_invalid",
  "response_framing_invalid",
  "response_head_too_large",
  "response_incomplete",
  "response_idle_timeout",
];

for (const code of [...Object.keys(ERROR_TRAITS) as ErrorCode[], "bad_status" as const]) {
  const isAway = UNREACHABLE.includes(code);
  const isFault = isAway || BAD_ANSWER.includes(code);
  Deno.test(`isBackendFault() ${code} is ${isFault}, isUnreachable() ${isAway}`, () => {
    assertEquals([isBackendFault(code), isUnreachable(code)], [isFault, isAway]);
  });
}

Deno.test("statusTable() holds the ranges, both ends included", () => {
  const table = statusTable([{ from: 502, to: 504 }, { from: 599, to: 599 }]);
  const statuses = [...table.keys()].filter((status) => table[status] === 1);
  assertEquals(statuses, [502, 503, 504, 599]);
});

Deno.test("Stage refuses words it does not know", () => {
  assertThrows(() => new Stage(SETTINGS).play("dance"), SyntaxError);
});
