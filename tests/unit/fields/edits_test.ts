import { assertEquals } from "@std/assert";
import {
  compileEdits,
  editableName,
  editableValue,
  type Field,
  type FieldEditRules,
  FieldEdits,
  NO_EDITS,
} from "../../../lib/fields/edits.ts";

const FIELDS: Field[] = [["Accept", "*/*"], ["X-Edge", "client"], ["x-edge", "again"], ["Cookie", "a=1"]];

interface EditCase {
  name: string;
  rules: Partial<FieldEditRules>;
  expected: Field[];
}

const CASES: EditCase[] = [
  { name: "leaves everything without rules", rules: {}, expected: FIELDS },
  { name: "removes every line of a name", rules: { remove: ["x-edge"] }, expected: [FIELDS[0], FIELDS[3]] },
  { name: "adds beside what came", rules: { add: [["X-Edge", "1"]] }, expected: [...FIELDS, ["x-edge", "1"]] },
  {
    name: "sets in place of what came",
    rules: { set: [["X-EDGE", "1"]] },
    expected: [FIELDS[0], FIELDS[3], ["x-edge", "1"]],
  },
  {
    name: "sets before it adds, and removes before both",
    rules: { add: [["a", "2"]], set: [["a", "1"]], remove: ["a", "accept", "x-edge", "cookie"] },
    expected: [["a", "1"], ["a", "2"]],
  },
];

for (const { name, rules, expected } of CASES) {
  const edits = new FieldEdits({ set: [], add: [], remove: [], ...rules });
  Deno.test(`FieldEdits.apply() ${name}`, () => assertEquals(edits.apply(FIELDS), expected));
  Deno.test(`FieldEdits.removes() and forEachAdded() agree with apply(): ${name}`, () => {
    const written: Field[] = FIELDS.filter(([field]) => !edits.removes(field.toLowerCase()));
    edits.forEachAdded((field, value) => written.push([field, value]));
    assertEquals(written, expected);
  });
}

Deno.test("FieldEdits.removes() what looks like a removed name, where it is told to", () => {
  const rules = {
    set: [["X-Tenant", "1"]],
    add: [["X-Added", "1"]],
    remove: ["X-Auth-User", "y_role", "plain"],
  } as const;
  const [exact, folding] = [new FieldEdits(rules), new FieldEdits(rules, true)];
  for (const name of ["x-auth-user", "y_role", "x-tenant", "plain"]) {
    assertEquals([exact.removes(name), folding.removes(name)], [true, true], name);
  }
  for (const name of ["x_auth_user", "x.auth-user", "x~auth!user", "y-role", "y+role", "x_tenant"]) {
    assertEquals([exact.removes(name), folding.removes(name)], [false, true], name);
  }
  for (const name of ["xauthuser", "x-auth", "x_auth_users", "x_added", "x-added", "plain_", "p_lain", "yrole"]) {
    assertEquals([exact.removes(name), folding.removes(name)], [false, false], name);
  }
});

Deno.test("compileEdits() gives NO_EDITS for empty rules", () => {
  assertEquals(compileEdits({ set: [], add: [], remove: [] }) === NO_EDITS, true);
  assertEquals(NO_EDITS.isEmpty, true);
  assertEquals(compileEdits({ set: [], add: [], remove: ["a"] }).isEmpty, false);
});

const NAMES: Array<[name: string, expected: boolean]> = [
  ["x-edge", true],
  ["Server", true],
  ["Set-Cookie", true],
  ["Host", false],
  ["content-length", false],
  ["Transfer-Encoding", false],
  ["CONNECTION", false],
  ["te", false],
  ["trailer", false],
  ["upgrade", false],
  ["", false],
  ["a b", false],
  ["a:", false],
  ["a\r\nb", false],
  ["\u00e9", false],
];

for (const [name, expected] of NAMES) {
  Deno.test(`editableName() says ${expected} for ${JSON.stringify(name)}`, () => {
    assertEquals(editableName(name), expected);
  });
}

const VALUES: Array<[value: string, expected: boolean]> = [
  ["", true],
  ["a", true],
  ["a b\tc", true],
  ["caf\u00e9", true],
  [" a", false],
  ["a ", false],
  ["a\r\nx: y", false],
  ["a\nb", false],
  ["a\n", false],
  ["a\0b", false],
  ["\u007f", false],
  ["\u20ac", false],
];

for (const [value, expected] of VALUES) {
  Deno.test(`editableValue() says ${expected} for ${JSON.stringify(value)}`, () => {
    assertEquals(editableValue(value), expected);
  });
}
