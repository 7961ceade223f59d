import { assertEquals } from "@std/assert";
import { EVERYTHING, EVERYTHING_WORKS, problems } from "./config_support.ts";

const SEED = 0x51ce;
const ROUNDS = 600;

/** Pieces that have a meaning somewhere. */
const PIECES: readonly string[] = [
  '"',
  "'",
  '"""',
  "[",
  "]",
  "[[",
  "]]",
  "{",
  "}",
  "=",
  ",",
  ".",
  "#",
  "\n",
  "\r",
  "\\",
  "$",
  "${",
  "${X}",
  "}",
  ":",
  "/",
  "*",
  "-1",
  "0",
  "1e999",
  "nan",
  "true",
  "1979-05-27",
  '""',
  "[]",
  "{}",
  "\u0000",
  "\uFEFF",
  "☃",
  "__proto__",
  "constructor",
  "toString",
  " = 1\n",
  "\n[a]\n",
  "\n[[routes]]\n",
  "\n[upstreams.api]\n",
  "unix:",
  "http://",
  "%",
  "\ud800",
];

/** mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function mutate(text: string, random: () => number): string {
  const below = (bound: number) => Math.floor(random() * bound);
  let result = text;
  for (let left = 1 + below(4); left > 0; left--) {
    const at = below(result.length + 1);
    const length = below(4) === 0 ? below(200) : below(4);
    switch (below(4)) {
      case 0:
        result = result.slice(0, at) + result.slice(at + length);
        break;
      case 1:
        result = result.slice(0, at) + PIECES[below(PIECES.length)] + result.slice(at + length);
        break;
      case 2: {
        const from = below(result.length);
        result = result.slice(0, at) + result.slice(from, from + length) + result.slice(at);
        break;
      }
      default:
        result = result.slice(0, at) + PIECES[below(PIECES.length)] + result.slice(at);
    }
  }
  return result;
}

Deno.test(`loadConfig() throws nothing but ConfigError for mutated texts (seed ${SEED})`, async () => {
  const random = randomOf(SEED);
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const text = mutate(EVERYTHING, random);
    try {
      const lines = await problems(text, EVERYTHING_WORKS);
      if (lines.length > 0) refused++;
    } catch (error) {
      throw new Error(`Round ${round} of seed ${SEED}: ${JSON.stringify(text)}`, { cause: error });
    }
  }
  assertEquals(refused > ROUNDS / 3 && refused < ROUNDS, true, `${refused} of ${ROUNDS} were refused`);
});

/** A value of any kind in the place of each value of the example. */
Deno.test("loadConfig() throws nothing but ConfigError for values of another kind", async () => {
  const lines = EVERYTHING.split("\n");
  for (
    const value of ["1", "-1.5", "nan", "true", '""', '"x"', '"\\u0000"', "[]", "[[]]", "{}", "{ a = {} }", "07:32:00"]
  ) {
    for (let index = 0; index < lines.length; index++) {
      const match = /^([\w.]+) = [^[{]/.exec(lines[index]);
      if (match === null) continue;
      const text = lines.with(index, `${match[1]} = ${value}`).join("\n");
      for (const line of await problems(text, EVERYTHING_WORKS)) {
        assertEquals(/^config\.toml:\d+: ./.test(line), true, line);
      }
    }
  }
});
