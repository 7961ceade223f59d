/** Seeded randomness repeats itself. */

import { assert, assertEquals, assertInRange, assertNotEquals, assertThrows } from "./assert.ts";
import { SeededRandom } from "./random.ts";
import { concat } from "./wire_bytes.ts";

Deno.test("SeededRandom() repeats itself for a seed and differs between seeds", () => {
  const draw = (seed: number) => Array.from({ length: 8 }, new SeededRandom(seed).next);
  assertEquals(draw(7), draw(7));
  assertNotEquals(draw(7), draw(8));
});

Deno.test("SeededRandom.pick() refuses an empty list", () => {
  assertThrows(() => new SeededRandom(1).pick([]), RangeError, "empty list");
});

Deno.test("SeededRandom.split() loses nothing", () => {
  const random = new SeededRandom(1);
  for (let round = 0; round < 100; round++) {
    const bytes = random.bytes(random.integer(0, 50));
    const pieces = random.split(bytes, 5);
    assertEquals(concat(pieces), bytes);
    assert(pieces.every((piece) => piece.length > 0));
    assertInRange(pieces.length, bytes.length === 0 ? 0 : 1, 5);
  }
});
