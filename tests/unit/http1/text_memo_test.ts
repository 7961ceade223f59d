import { assert, assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { TextMemo } from "../../../lib/http1/text_memo.ts";
import { seededRandom } from "../../support/random.ts";
import { toBytes } from "../../support/wire_bytes.ts";

const all = () => true;

Deno.test("TextMemo.text() is what the bytes say, however many texts share its slots", () => {
  const memo = new TextMemo();
  const random = seededRandom("text_memo");
  for (let round = 0; round < 20_000; round++) {
    const length = Math.floor(random.next() * 12);
    const text = Array.from({ length }, () => "ab/\xff".charAt(Math.floor(random.next() * 4))).join("");
    const bytes = toBytes(`<<${text}>>`);
    assertEquals(memo.text(bytes, 2, 2 + length, all), text);
  }
});

Deno.test("TextMemo.text() asks about a text once, unless it was refused", () => {
  const memo = new TextMemo();
  const bytes = toBytes("example.com");
  let asked = 0;
  const answer = (isGood: boolean) => () => (asked++, isGood);
  assertEquals(memo.text(bytes, 0, 11, answer(false)), null);
  assertEquals(memo.text(bytes, 0, 11, answer(true)), "example.com");
  assertEquals(memo.text(bytes, 0, 11, answer(false)), "example.com");
  assertEquals(asked, 2);
  assertEquals(memo.text(bytes, 4, 4, answer(false)), null); // nothing is no text that was accepted before
});

Deno.test("TextMemo.text() does not keep long texts", () => {
  const memo = new TextMemo();
  const bytes = toBytes("x".repeat(1000));
  assert(memo.text(bytes, 0, 1000, all) !== null);
  let asked = 0;
  assertStrictEquals(memo.text(bytes, 0, 1000, () => (asked++, true))?.length, 1000);
  assertEquals(asked, 1);
});
