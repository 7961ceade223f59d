import { assertEquals } from "../../support/assert.ts";
import {
  formatTraceparent,
  isWithinRatio,
  parseTraceparent,
  propagatedTracestate,
  ratioThreshold,
} from "../../../lib/observe/trace_context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

const VALID: ReadonlyArray<readonly [name: string, text: string, flags: number]> = [
  ["sampled", `00-${TRACE}-${SPAN}-01`, 1],
  ["not sampled", `00-${TRACE}-${SPAN}-00`, 0],
  ["a random id", `00-${TRACE}-${SPAN}-03`, 3],
  ["flags of tomorrow, without them", `00-${TRACE}-${SPAN}-fd`, 1],
  ["a version of tomorrow", `cc-${TRACE}-${SPAN}-01`, 1],
  ["a version of tomorrow with more", `01-${TRACE}-${SPAN}-00-what-the-future-holds`, 0],
];
for (const [name, text, flags] of VALID) {
  Deno.test(`parseTraceparent() reads ${name}`, () => {
    assertEquals(parseTraceparent(text), { traceId: TRACE, parentId: SPAN, flags });
  });
}

const INVALID: ReadonlyArray<readonly [name: string, text: string]> = [
  ["nothing", ""],
  ["version ff", `ff-${TRACE}-${SPAN}-01`],
  ["version 00 with more", `00-${TRACE}-${SPAN}-01-more`],
  ["version 00 with a dash behind", `00-${TRACE}-${SPAN}-01-`],
  ["a version of tomorrow with more and no dash", `cc-${TRACE}-${SPAN}-01.more`],
  ["capitals", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
  ["an all-zero trace", `00-${"0".repeat(32)}-${SPAN}-01`],
  ["an all-zero span", `00-${TRACE}-${"0".repeat(16)}-01`],
  ["a short trace", `00-${TRACE.slice(1)}-${SPAN}-01`],
  ["a long span", `00-${TRACE}-${SPAN}0-01`],
  ["no flags", `00-${TRACE}-${SPAN}`],
  ["one digit of flags", `00-${TRACE}-${SPAN}-1`],
  ["other separators", `00_${TRACE}_${SPAN}_01`],
  ["two lines", `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
  ["letters that are no digits", `00-${TRACE.replace("a", "g")}-${SPAN}-01`],
];
for (const [name, text] of INVALID) {
  Deno.test(`parseTraceparent() refuses ${name}`, () => assertEquals(parseTraceparent(text), null));
}

Deno.test("formatTraceparent() writes what parseTraceparent() reads", () => {
  for (const flags of [0, 1, 2, 3]) {
    const text = formatTraceparent(TRACE, SPAN, flags);
    assertEquals(text, `00-${TRACE}-${SPAN}-0${flags}`);
    assertEquals(parseTraceparent(text), { traceId: TRACE, parentId: SPAN, flags });
  }
});

const members = (count: number, length = 5) =>
  Array.from({ length: count }, (_, index) => `${`k${index}=`.padEnd(length, "v")}`).join(",");

const STATES: ReadonlyArray<readonly [name: string, text: string | null, expected: string]> = [
  ["nothing", null, ""],
  ["an empty field", "", ""],
  ["one member", "congo=t61rcWkgMzE", "congo=t61rcWkgMzE"],
  ["several in their order", "rojo=00f067,congo=t61r", "rojo=00f067,congo=t61r"],
  ["spaces and empty members between", "a=1 ,\t b=2,, ,c=3", "a=1,b=2,c=3"],
  ["a tenant", "fw529a3039@dt=FfAAAA", "fw529a3039@dt=FfAAAA"],
  ["every mark of a key", "0_-*/@z=1", "0_-*/@z=1"],
  ["spaces inside a value", "a=b c", "a=b c"],
  ["a repeated key as it came", "a=1,a=2", "a=1,a=2"],
  ["32 members", members(32), members(32)],
  ["33 members: none", members(33), ""],
  ["a member without a value: none", "a=1,b", ""],
  ["an empty value: none", "a=", ""],
  ["a capital in a key: none", "A=1", ""],
  ["an equals sign in a value: none", "a=1=2", ""],
  ["a byte above ASCII: none", "a=\xe9", ""],
  ["a no-break space, which is no white space: none", "\xa0a=1", ""],
  ["a key of 256", `${"k".repeat(256)}=1`, `${"k".repeat(256)}=1`],
  ["a key of 257: none", `${"k".repeat(257)}=1`, ""],
  ["a value of 257: none", `a=${"v".repeat(257)}`, ""],
  ["512 characters", members(8, 63) + "x", members(8, 63) + "x"],
  ["513: the last goes", members(8, 63) + "xx", members(7, 63)],
  ["513: a long one goes first", `a=1,${"b=".padEnd(129, "b")},${members(6, 63)}`, `a=1,${members(6, 63)}`],
];
for (const [name, text, expected] of STATES) {
  Deno.test(`propagatedTracestate() of ${name}`, () => assertEquals(propagatedTracestate(text), expected));
}

Deno.test("isWithinRatio() takes all at 1, none at 0, and by the id's last bytes between", () => {
  const id = (random: string) => "f".repeat(18) + random.padEnd(14, "0");
  for (const random of ["", "7", "8", "f".repeat(14)]) {
    assertEquals(isWithinRatio(id(random), ratioThreshold(1)), true);
    assertEquals(isWithinRatio(id(random), ratioThreshold(0)), false);
  }
  assertEquals(["0", "7fffffffffffff", "8", "f"].map((random) => isWithinRatio(id(random), ratioThreshold(0.5))), [
    false,
    false,
    true,
    true,
  ]);
  assertEquals(isWithinRatio(id("fd70a3d70a3d6"), ratioThreshold(0.01)), false);
  assertEquals(isWithinRatio(id("fd70a3d70a3d8"), ratioThreshold(0.01)), true);
});
