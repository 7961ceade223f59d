import { assertEquals } from "@std/assert";
import { editDistance, nearestName } from "../../../lib/base/nearest.ts";

const CASES: ReadonlyArray<{ name: string; word: string; names: readonly string[]; expected: string }> = [
  { name: "forgives a hyphen", word: "round-robin", names: ["random", "round_robin"], expected: "round_robin" },
  { name: "forgives case", word: "Round_Robin", names: ["round_robin"], expected: "round_robin" },
  { name: "finds a doubled letter", word: "apii", names: ["web", "api"], expected: "api" },
  { name: "finds a swap", word: "wieght", names: ["width", "weight"], expected: "weight" },
  { name: "finds a name that goes on", word: "warning", names: ["debug", "warn"], expected: "warn" },
  {
    name: "finds a name cut off",
    word: "max_conn",
    names: ["max_idle", "max_connections"],
    expected: "max_connections",
  },
  { name: "says nothing about a stranger", word: "zebra", names: ["round_robin", "hash"], expected: "" },
  { name: "says nothing about the empty word", word: "", names: ["a"], expected: "" },
  { name: "takes the earlier of two", word: "ab1", names: ["ab2", "ab3"], expected: "ab2" },
  { name: "does not replace a one-letter name", word: "x", names: ["y"], expected: "" },
  { name: "does not compare endless words", word: "a".repeat(1e6), names: ["a"], expected: "" },
];
for (const { name, word, names, expected } of CASES) {
  Deno.test(`nearestName() ${name}`, () => {
    assertEquals(nearestName(word, names), expected);
  });
}

for (const [a, b, distance] of [["", "", 0], ["abc", "", 3], ["ab", "ba", 1], ["kitten", "sitting", 3]] as const) {
  Deno.test(`editDistance() from "${a}" to "${b}" is ${distance}`, () => {
    assertEquals(editDistance(a, b), distance);
    assertEquals(editDistance(b, a), distance);
  });
}
