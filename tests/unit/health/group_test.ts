import { assertEquals } from "@std/assert";
import { HealthMachine } from "../../../lib/health/machine.ts";
import { createPlanMemory, groupMemories, Standing } from "../../../lib/health/group_memory.ts";
import { REFUSED } from "../../../lib/health/gate.ts";
import { HealthGroup, type HealthGroupMember, type HealthGroupSettings } from "../../../lib/health/group.ts";
import type { FailureCode } from "../../../lib/health/reason.ts";
import type { HealthSettings } from "../../../lib/health/settings.ts";

const SETTINGS: HealthSettings = {
  health: { rise: 1, fall: 1 },
  circuit: { failures: 1, errorRate: 0, windowMs: 1000, minRequests: 1, openMs: 100, maxOpenMs: 1000 },
  slowStartMs: 0,
};
const UNTRIED = new Int32Array(1);

/**
 * One letter a member, in the order of its fall: `h` healthy, `b` opened by a bad answer, `u` by being unreachable,
 * `p` by probes, `d` drained, `x` disabled, `r` ramping up; `0` weight 0; capital: a backup.
 */
function group(letters: string, settings: Partial<HealthGroupSettings & { ejected: number }> = {}) {
  const members: HealthGroupMember[] = [...letters].map((letter, index) => {
    const kind = letter.toLowerCase();
    const slowStartMs = kind === "r" ? 1000 : 0;
    const state = kind === "r" ? "slow_start" : "healthy";
    const machine = new HealthMachine({ ...SETTINGS, slowStartMs }, { nowMs: 0, state });
    bring(machine, kind, index);
    return { machine, weight: kind === "0" ? 0 : 1, backup: letter !== kind };
  });
  const made = new HealthGroup(members, {
    circuit: { maxEjectedPercent: settings.ejected ?? 100 },
    panicThresholdPercent: settings.panicThresholdPercent ?? 0,
  });
  return { group: made, machines: members.map((member) => member.machine) };
}

function bring(machine: HealthMachine, kind: string, nowMs: number): void {
  if (kind === "b") fail(machine, "bad_status", nowMs);
  if (kind === "u") fail(machine, "connect_refused", nowMs);
  if (kind === "p") machine.onProbeFailure("bad_status", nowMs);
  if (kind === "d") machine.admin("drain", nowMs);
  if (kind === "x") machine.admin("disable", nowMs);
}

function fail(machine: HealthMachine, code: FailureCode, nowMs: number): void {
  machine.onTrafficFailure(code, nowMs, machine.tryAdmit(nowMs));
}

function bits(mask: Int32Array, count: number): string {
  return Array.from({ length: count }, (_, p) => (mask[p >>> 5] >>> (p & 31)) & 1).join("");
}

interface Row {
  readonly name: string;
  readonly members: string;
  readonly ejected?: number;
  readonly panic?: number;
  /** A bit per member. */
  readonly expected: string;
}

const ROWS: Row[] = [
  { name: "all healthy", members: "hhh", expected: "111" },
  { name: "ramping up is in", members: "rh", expected: "11" },
  { name: "weight 0 is out", members: "0h0", expected: "010" },
  { name: "drained and disabled are out", members: "dhx", expected: "010" },
  { name: "all withdrawn stay out", members: "ddx", expected: "000" },
  { name: "open is out", members: "hbuph", expected: "10001" },
  // The last one.
  { name: "a lone bad answerer stays", members: "b", expected: "1" },
  { name: "a lone unreachable one goes", members: "u", expected: "0" },
  { name: "a lone one that probes found down goes", members: "p", expected: "0" },
  { name: "the bad answerer that fell last stays", members: "bbb", expected: "001" },
  { name: "a bad answerer stays when the rest is unreachable", members: "buu", expected: "100" },
  { name: "nobody stays when nobody can be reached", members: "uup", expected: "000" },
  { name: "withdrawn ones are no company", members: "bd0", expected: "100" },
  { name: "a healthy backup lets the last primary go", members: "bH", expected: "01" },
  // max_ejected.
  { name: "half of four may go", members: "uuuh", ejected: 50, expected: "0011" },
  { name: "half of three is one", members: "uuh", ejected: 50, expected: "011" },
  { name: "one may always go", members: "uhhh", ejected: 1, expected: "0111" },
  { name: "one may always go, no more", members: "uuhh", ejected: 0, expected: "0111" },
  { name: "the unreachable go before bad answerers", members: "buhh", ejected: 25, expected: "1011" },
  { name: "those that probes found down go before bad answerers", members: "bphh", ejected: 25, expected: "1011" },
  { name: "who fell first goes first", members: "bbhh", ejected: 25, expected: "0111" },
  { name: "withdrawn ones and weight 0 do not count", members: "uudd00hh", ejected: 50, expected: "00000011" },
  { name: "backups count", members: "uuHH", ejected: 50, expected: "0011" },
  // panic_threshold.
  { name: "at the threshold no panic", members: "uuhh", panic: 50, expected: "0011" },
  { name: "below the threshold all are in", members: "uuuh", panic: 50, expected: "1111" },
  { name: "none left panics", members: "uuu", panic: 1, expected: "111" },
  { name: "threshold 0 never panics", members: "uuu", panic: 0, expected: "000" },
  { name: "panic leaves the withdrawn out", members: "uudx0", panic: 50, expected: "11000" },
  { name: "healthy backups do not count as primaries", members: "uuuhHHHH", panic: 50, expected: "11111111" },
  { name: "no panic while backups stand in", members: "uuuH", panic: 50, expected: "0001" },
  { name: "panic when primaries and backups are gone", members: "uuUU", panic: 50, expected: "1111" },
  { name: "without primaries the backups panic", members: "dUUH", panic: 50, expected: "0111" },
  { name: "spared ones count as eligible", members: "uuuh", ejected: 50, panic: 50, expected: "0011" },
];

for (const { name, members, ejected, panic, expected } of ROWS) {
  Deno.test(`HealthGroup.eligible ${name} (${members} → ${expected})`, () => {
    const settings = { ejected: ejected ?? 100, panicThresholdPercent: panic ?? 0 };
    assertEquals(bits(group(members, settings).group.eligible, members.length), expected);
  });
  Deno.test(`HealthGroup.eligible ${name}, when changes come one by one`, () => {
    const settings = { ejected: ejected ?? 100, panicThresholdPercent: panic ?? 0 };
    const blank = [...members].map((letter) =>
      letter === "0" || letter.toLowerCase() === "r" ? letter : toCase(letter)
    );
    const { group: made, machines } = group(blank.join(""), settings);
    [...members].forEach((letter, index) => bring(machines[index], letter.toLowerCase(), index));
    assertEquals(bits(made.eligible, members.length), expected);
  });
}

/** `h` or `H`. */
function toCase(letter: string): string {
  return letter === letter.toLowerCase() ? "h" : "H";
}

Deno.test("HealthGroup.eligible reaches over words", () => {
  const letters = "h".repeat(31) + "uh" + "h".repeat(31) + "u";
  const { group: made } = group(letters);
  assertEquals(bits(made.eligible, 65), letters.replaceAll("h", "1").replaceAll("u", "0"));
  assertEquals(made.eligible.length, 3);
});

Deno.test("HealthGroup.admit() gives the trial of probation to one", () => {
  const { group: made, machines } = group("uh");
  made.tick(100);
  assertEquals(bits(made.eligible, 2), "11");
  const trial = made.admit(0, 100, UNTRIED);
  assertEquals([bits(made.eligible, 2), made.admit(0, 100, UNTRIED)], ["01", REFUSED]);
  machines[0].releaseToken(trial);
  assertEquals(bits(made.eligible, 2), "11");
  machines[0].onTrafficSuccess(100, made.admit(0, 100, UNTRIED));
  assertEquals([bits(made.eligible, 2), machines[0].state], ["11", "healthy"]);
});

Deno.test("HealthGroup.admit() lets any number through to a spared one, and one of them closes it", () => {
  const { group: made, machines } = group("b");
  const first = made.admit(0, 50, UNTRIED);
  assertEquals([first !== REFUSED, made.admit(0, 50, UNTRIED) !== REFUSED], [true, true]);
  made.tick(100);
  const trial = made.admit(0, 100, UNTRIED);
  assertEquals([trial % 2, made.admit(0, 100, UNTRIED) !== REFUSED, bits(made.eligible, 1)], [1, true, "1"]);
  machines[0].onTrafficSuccess(100, first);
  assertEquals(machines[0].state, "healthy");
});

Deno.test("HealthGroup.admit() refuses the withdrawn", () => {
  const { group: made } = group("dh");
  assertEquals(made.admit(0, 0, UNTRIED), REFUSED);
});

Deno.test("HealthGroup.admit() gives one that ramps up its fraction", () => {
  const { group: made } = group("rh");
  const admitted = [0, 250, 500, 900].map((nowMs) => {
    let count = 0;
    for (let i = 0; i < 1000; i++) if (made.admit(0, nowMs, UNTRIED) !== REFUSED) count++;
    return Math.round(count / 10);
  });
  assertEquals(admitted, [10, 25, 50, 90]);
  made.tick(1000);
  assertEquals(made.admit(0, 1000, UNTRIED) !== REFUSED, true);
});

Deno.test("HealthGroup.admit() gives one that ramps up everything when there is no steady one left", () => {
  const ramp = group("rr").group;
  assertEquals([ramp.admit(0, 0, UNTRIED) !== REFUSED, ramp.admit(1, 0, UNTRIED) !== REFUSED], [true, true]);
  const tried = group("rhu").group;
  assertEquals([tried.admit(0, 0, UNTRIED), tried.admit(0, 0, Int32Array.of(2)) !== REFUSED], [REFUSED, true]);
  const besideBackup = group("rH").group;
  assertEquals(besideBackup.admit(0, 0, UNTRIED) !== REFUSED, true);
});

Deno.test("HealthGroup.close() leaves machines to the other groups", () => {
  const { group: one, machines } = group("hh");
  const members = machines.map((machine) => ({ machine, weight: 1, backup: false }));
  const other = new HealthGroup(members, { circuit: { maxEjectedPercent: 100 }, panicThresholdPercent: 0 });
  fail(machines[0], "connect_refused", 0);
  assertEquals([bits(one.eligible, 2), bits(other.eligible, 2)], ["01", "01"]);
  one.close();
  fail(machines[1], "connect_refused", 0);
  assertEquals([bits(one.eligible, 2), bits(other.eligible, 2)], ["01", "00"]);
});

Deno.test("HealthGroup writes to the memory that it is given", () => {
  const [first, memory] = groupMemories(createPlanMemory([33, 1]), [33, 1]);
  const machine = new HealthMachine(SETTINGS, { nowMs: 0, state: "healthy" });
  const settings = { circuit: { maxEjectedPercent: 100 }, panicThresholdPercent: 0 };
  const made = new HealthGroup([{ machine, weight: 1, backup: false }], settings, memory);
  assertEquals([memory.eligible[0], memory.steady[0], memory.standings[0]], [1, 1, Standing.proven]);
  assertEquals([made.eligible === memory.eligible, first.eligible], [true, new Int32Array(2)]);
});

Deno.test("HealthGroup.snapshot() says why each is in or out", () => {
  const view = (made: HealthGroup) => made.snapshot().map((member) => `${member.standing} ${member.isEligible}`);
  assertEquals(view(group("hud0", {}).group), ["proven true", "ejected false", "out false", "out false"]);
  assertEquals(view(group("bb").group), ["ejected false", "spared true"]);
  const panicking = group("uuuh", { panicThresholdPercent: 50 }).group;
  assertEquals([view(panicking)[0], panicking.isPanicking], ["panic true", true]);
});

Deno.test("HealthGroup.withdraw() takes a member out of one group alone, and puts it back", () => {
  const { group: one, machines } = group("hhb");
  const other = new HealthGroup(
    machines.map((machine) => ({ machine, weight: 1, backup: false })),
    { circuit: { maxEjectedPercent: 100 }, panicThresholdPercent: 0 },
  );
  one.withdraw(0, true);
  assertEquals([bits(one.eligible, 3), bits(other.eligible, 3)], ["010", "110"]);
  assertEquals(one.snapshot()[0].standing, "out");
  fail(machines[1], "connect_refused", 1);
  assertEquals(bits(one.eligible, 3), "001", "the last one is spared, the withdrawn one is not");
  one.withdraw(0, false);
  assertEquals(bits(one.eligible, 3), "100");
});
