import { assertEquals } from "../../support/assert.ts";
import { prefersJson } from "../../../lib/fields/accept.ts";

const CASES: ReadonlyArray<readonly [accept: string, expected: boolean]> = [
  ["", false],
  ["*/*", false],
  ["text/html", false],
  ["application/json", true],
  [" Application/JSON ", true],
  ["application/json, */*", true],
  ["application/json, text/plain", true],
  ["text/plain, application/json", false],
  ["application/json;q=0.9, text/plain", false],
  ["application/json;q=0.9, text/plain;q=0.8", true],
  ["text/plain;q=0.5, application/*", true],
  ["application/*, */*;q=0.1", true],
  ["text/*, application/json;q=1.000", true],
  ["application/json;q=0, */*", false],
  ["application/json;q=0", false],
  ["application/json;q=0.1, application/json", true],
  ["application/json; Q=0.5 ;level=1, text/plain;q=0.4", true],
  ["application/json;version=1, text/plain;q=0.1", false],
  ["application/problem+json", false],
  ['text/html;a="x,application/json"', false],
  ['text/html;a="\\",application/json', false],
  ["application/json;q=2, text/plain;q=0.1", false],
  ["application/json;q=, text/plain;q=0.1", false],
  ["application/json;q=1.0000, text/plain;q=0.1", false],
  [",,application/json,,", true],
];
for (const [accept, expected] of CASES) {
  Deno.test(`prefersJson() says ${expected} for "${accept}"`, () => assertEquals(prefersJson(accept), expected));
}
