import { assertEquals, assertThrows } from "@std/assert";
import { formatSize, parseSize } from "../../../lib/base/size.ts";

const GOOD: ReadonlyArray<readonly [text: string, bytes: number]> = [
  ["0B", 0],
  ["17B", 17],
  ["64KiB", 65536],
  ["1MiB", 1_048_576],
  ["10MB", 10_000_000],
  ["1kB", 1000],
  ["1KB", 1000],
  ["2GiB", 2_147_483_648],
];
for (const [text, bytes] of GOOD) {
  Deno.test(`parseSize() reads "${text}"`, () => {
    assertEquals(parseSize(text), bytes);
    assertEquals(parseSize(text), bytes, "the remembered result differs");
  });
}

for (const text of ["", "0", "64", "64k", "64kib", "1.5MiB", "-1B", "1 MiB", "MiB", "1mb", "1B1B", "99999TiB9"]) {
  Deno.test(`parseSize() refuses ${JSON.stringify(text)}`, () => {
    assertThrows(() => parseSize(text), SyntaxError, "must be a size such as");
  });
}

Deno.test("parseSize() refuses what no integer holds", () => {
  assertThrows(() => parseSize("999999999999TiB"), SyntaxError, "below 8 PiB");
});

for (const [bytes, text] of [[0, "0B"], [1, "1B"], [65536, "64KiB"], [10_000_000, "10MB"], [1500, "1500B"]] as const) {
  Deno.test(`formatSize() writes ${bytes} bytes as "${text}"`, () => {
    assertEquals(formatSize(bytes), text);
  });
}

Deno.test("formatSize() refuses a negative size", () => {
  assertThrows(() => formatSize(-1), RangeError);
});
