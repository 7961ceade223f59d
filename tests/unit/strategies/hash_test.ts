/** What consistent hashing is for: keys that stay where they are. */

import { assert, assertEquals } from "@std/assert";
import { hashText } from "../../../lib/base/hash.ts";
import { popcount } from "../../../lib/base/bits.ts";
import { createRandom } from "../../../lib/base/random.ts";
import { countPicks, createFixture, type Fixture, setEligible } from "./strategies_fixture.ts";

const KEYS = Array.from({ length: 20_000 }, (_, index) => hashText(`192.0.2.${index}`, 0));

function pickAll({ selector, input, spec }: Fixture): string[] {
  return KEYS.map((key) => {
    input.keyHash = key;
    return spec.identities[selector.pick(input)];
  });
}

function movedShare(before: readonly string[], after: readonly string[]): number {
  return before.filter((identity, key) => identity !== after[key]).length / before.length;
}

function named(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `backend ${index}`);
}

Deno.test("ConsistentHash.pick() moves little more than the share of one of ten that is removed", () => {
  const identities = named(10);
  const before = pickAll(createFixture("hash", { count: 10, identities }));
  for (const removed of identities.keys()) {
    const after = pickAll(createFixture("hash", { count: 9, identities: identities.toSpliced(removed, 1) }));
    const own = before.filter((identity) => identity === identities[removed]).length / KEYS.length;
    const moved = movedShare(before, after);
    assert(moved <= own + 0.03, `${moved} moved, ${own} had to`);
  }
});

Deno.test("ConsistentHash.pick() gives one that joins ten its share and moves little else", () => {
  const before = pickAll(createFixture("hash", { count: 10, identities: named(10) }));
  const after = pickAll(createFixture("hash", { count: 11, identities: named(11) }));
  const gained = after.filter((identity) => identity === "backend 10").length / KEYS.length;
  assert(Math.abs(gained - 1 / 11) < 0.01, `gained ${gained}`);
  assert(movedShare(before, after) <= gained + 0.03);
});

Deno.test("ConsistentHash.pick() moves nothing when the configuration is reordered", () => {
  const before = pickAll(createFixture("hash", { count: 10, identities: named(10) }));
  const after = pickAll(createFixture("hash", { count: 10, identities: named(10).reverse() }));
  assertEquals(movedShare(before, after), 0);
});

Deno.test("ConsistentHash.pick() moves exactly the keys of one that is out, spreads them, and takes them back", () => {
  const fixture = createFixture("hash", { count: 10, identities: named(10) });
  const before = pickAll(fixture);
  setEligible(fixture, 4, false);
  const during = pickAll(fixture);
  const heirs = new Map<string, number>();
  for (const [key, identity] of before.entries()) {
    if (identity !== "backend 4") assertEquals(during[key], identity);
    else heirs.set(during[key], (heirs.get(during[key]) ?? 0) + 1);
  }
  const orphans = before.filter((identity) => identity === "backend 4").length;
  assertEquals(heirs.size, 9);
  for (const [identity, count] of heirs) {
    assert(count < 1.35 * orphans / 9, `${identity} inherits ${count} of ${orphans}`);
  }
  setEligible(fixture, 4, true);
  assertEquals(movedShare(before, pickAll(fixture)), 0);
});

for (const count of [2, 10, 100]) {
  Deno.test(`ConsistentHash.pick() shares within 3 % of the table (${count} members)`, () => {
    const fixture = createFixture("hash", { count, seed: 9 });
    const counts = countPicks(fixture, count * 20_000);
    for (const picks of counts) assert(Math.abs(picks / 20_000 - 1) < 0.04, `${picks} of 20000`);
  });
}

Deno.test("ConsistentHash.pick() respects weights", () => {
  const weights = [60, 30, 9, 1];
  const counts = countPicks(createFixture("hash", { weights }), 100_000);
  for (const [index, weight] of weights.entries()) {
    assert(Math.abs(counts[index] / (1000 * weight) - 1) < 0.08, `${counts[index]} for weight ${weight}`);
  }
});

Deno.test("ConsistentHash.pick() is the same at each request even when nearly all are out", () => {
  const fixture = createFixture("hash", { count: 100 });
  for (let index = 0; index < 98; index++) setEligible(fixture, index, false);
  const first = pickAll(fixture);
  assertEquals(movedShare(first, pickAll(fixture)), 0);
  assertEquals(new Set(first).size, 2);
});

Deno.test("ConsistentHash.pick() asks the fallback when there is no key", () => {
  const fixture = createFixture("hash", { count: 4, fallback: "round_robin" });
  const picked = Array.from({ length: 6 }, () => fixture.selector.pick(fixture.input));
  assertEquals(picked, [0, 1, 2, 3, 0, 1]);
});

for (
  const { name, text, seed, expected } of [
    // Published test vectors of MurmurHash3 x86_32, their bytes read as UTF-16LE.
    { name: "of nothing", text: "", seed: 0, expected: 0 },
    { name: "of nothing, seeded", text: "", seed: 1, expected: 0x514e28b7 },
    { name: "of 21 43", text: "\u4321", seed: 0, expected: 0xa0f7b07a },
    { name: "of 00 00", text: "\0", seed: 0, expected: 0x30f4c306 },
    { name: "of 21 43 65 87", text: "\u4321\u8765", seed: 0, expected: 0xf55b516b },
    { name: "of 21 43 65 87, seeded", text: "\u4321\u8765", seed: 0x5082edee, expected: 0x2362f9de },
  ]
) {
  Deno.test(`hashText() agrees with MurmurHash3 ${name}`, () => assertEquals(hashText(text, seed), expected));
}

Deno.test("hashText() turns about half of the bits when one bit of the text or the seed turns", () => {
  const random = createRandom(2);
  let turned = 0;
  const rounds = 4000;
  for (let round = 0; round < rounds; round++) {
    const text = String.fromCharCode(...Array.from({ length: 1 + round % 9 }, () => 32 + Math.floor(random() * 90)));
    const at = Math.floor(random() * text.length);
    const other = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << (round % 7))) +
      text.slice(at + 1);
    turned += popcount(hashText(text, 0) ^ hashText(other, 0)) +
      popcount(hashText(text, 0) ^ hashText(text, 1 << (round % 32)));
  }
  assert(Math.abs(turned / rounds / 64 - 0.5) < 0.01, `${turned / rounds} of 64 bits`);
});
