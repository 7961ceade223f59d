import { assertEquals } from "@std/assert";
import { describeReason, type HealthReason, type HealthState } from "../../../lib/health/reason.ts";
import type { HealthSettings } from "../../../lib/health/settings.ts";
import { CIRCUIT, PROBE_OPEN, RAMPING, RESET_STREAK, SETTINGS, Stage, START_MS, TRAFFIC_OPEN } from "./health_stage.ts";

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
    untilMs: -1,
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
    name: "what probes opened has no end but their passing",
    script: `${PROBE_OPEN}, wait 100000, take`,
    state: "open",
    reason: "response_timeout × 3 (probe)",
    untilMs: -1,
  },
  {
    name: "requests that succeed do not close what probes opened",
    script: `take, ${PROBE_OPEN}, good, wait 100000, take, good, spare, good*50`,
    state: "open",
    reason: "response_timeout × 3 (probe)",
    untilMs: -1,
  },
  {
    name: "spared requests that fail do not make traffic's what probes opened",
    script: `${PROBE_OPEN}, spare, bad*50, pass*2`,
    state: "healthy",
    reason: "probes_passed × 2 (probe)",
  },
  {
    name: "fewer failed probes than fall do not put off a wait of traffic",
    script: `${TRAFFIC_OPEN}, wait 90, fail*2, wait 10`,
    state: "probation",
    reason: "wait_over (timer)",
  },
  // both
  {
    name: "probes join what traffic opened",
    script: `${TRAFFIC_OPEN}, fail*3`,
    state: "open",
    reason: "response_timeout × 3 (probe)",
    untilMs: -1,
  },
  {
    name: "what both hold lets no request through",
    script: `${TRAFFIC_OPEN}, fail*3, wait 100000, take, good, spare, good`,
    state: "open",
    reason: "response_timeout × 3 (probe)",
  },
  {
    name: "probes that pass again leave to traffic what is traffic's",
    script: `${TRAFFIC_OPEN}, fail*3, wait 5, pass*2`,
    state: "probation",
    reason: "probes_passed × 2 (probe)",
  },
  {
    name: "a good trial then closes what both held",
    script: `${TRAFFIC_OPEN}, fail*3, pass*2, take, good`,
    state: "healthy",
    reason: "trial_passed (traffic)",
  },
  {
    name: "probes that vouched wrongly give way to traffic's wait, no more",
    script: `${TRAFFIC_OPEN}, pass*2, take, bad, fail*3, wait 50, pass*2`,
    state: "open",
    reason: "connection_reset (traffic)",
    untilMs: START_MS + 200,
  },
  {
    name: "probes that vouched wrongly keep nothing from a trial when the wait is over",
    script: `${TRAFFIC_OPEN}, pass*2, take, bad, fail*3, wait 500, pass*2`,
    state: "probation",
    reason: "probes_passed × 2 (probe)",
  },
  {
    name: "probes join in probation",
    script: `${TRAFFIC_OPEN}, fail*2, wait 100, take, fail, good`,
    state: "open",
    reason: "response_timeout × 3 (probe)",
    untilMs: -1,
  },
  // probation
  {
    name: "a good trial closes",
    script: `${TRAFFIC_OPEN}, wait 100, take, good`,
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
    untilMs: -1,
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
    untilMs: -1,
  },
  {
    name: "the operator's word is above that of probes and of traffic",
    script: `${TRAFFIC_OPEN}, fail*3, disable, pass*9, wait 1000, take, good`,
    state: "disabled",
    reason: "disable (admin)",
  },
  {
    name: "enable leaves to probes what they hold",
    script: `${PROBE_OPEN}, drain, wait 1000, enable, wait 1000, take, good`,
    state: "open",
    reason: "response_timeout × 3 (probe)",
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
