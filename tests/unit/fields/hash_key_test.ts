import { assertEquals } from "@std/assert";
import { compileHashKey, type HashKeySource, queryValue } from "../../../lib/fields/hash_key.ts";

const QUERIES: Array<[query: string, expected: string | null]> = [
  ["", null],
  ["id=1", "1"],
  ["a=2&id=1", "1"],
  ["id=1&id=2", "1"],
  ["id", ""],
  ["id=", ""],
  ["id&a", ""],
  ["id=a=b", "a=b"],
  ["id=%41+b", "%41+b"],
  ["xid=1", null],
  ["idx=1", null],
  ["ID=1", null],
  ["a=id=1", null],
  ["&&id=1&", "1"],
  ["a=1;id=2", null],
];

for (const [query, expected] of QUERIES) {
  Deno.test(`queryValue() finds ${JSON.stringify(expected)} in "${query}"`, () => {
    assertEquals(queryValue(query, "id"), expected);
  });
}

const FIELDS: Record<string, string> = { "x-user": "u1", cookie: "a=1; s=2; e=", "x-empty": "" };
const INPUT = { clientIp: "1.2.3.4", path: "/a", query: "id=7&e=", field: (name: string) => FIELDS[name] ?? null };

const KEYS: Array<[source: HashKeySource, name: string, expected: string | null]> = [
  ["client_ip", "", "1.2.3.4"],
  ["path", "", "/a"],
  ["header", "x-user", "u1"],
  ["header", "x-other", null],
  ["header", "x-empty", null],
  ["cookie", "s", "2"],
  ["cookie", "x", null],
  ["cookie", "e", null],
  ["query", "id", "7"],
  ["query", "e", null],
  ["query", "x", null],
];

for (const [source, name, expected] of KEYS) {
  Deno.test(`compileHashKey() ${source}:${name} gives ${JSON.stringify(expected)}`, () => {
    assertEquals(compileHashKey(source, name)(INPUT), expected);
  });
}

Deno.test("compileHashKey() has no key for a Unix socket or a request without cookies", () => {
  const bare = { ...INPUT, clientIp: "", field: () => null };
  assertEquals(compileHashKey("client_ip", "")(bare), null);
  assertEquals(compileHashKey("cookie", "s")(bare), null);
});
