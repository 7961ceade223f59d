import { assertEquals } from "@std/assert";
import {
  NO_CONNECTION_OPTIONS,
  NOMINATED_MAX,
  parseConnection,
  PROTECTED_NAMES,
  teTrailers,
} from "../../../lib/fields/hop_by_hop.ts";

interface ConnectionCase {
  name: string;
  value: string;
  close?: boolean;
  keepAlive?: boolean;
  upgrade?: boolean;
  nominated?: string[];
  isMalformed?: boolean;
}

const CONNECTION_CASES: ConnectionCase[] = [
  { name: "reads nothing from an empty value", value: "" },
  { name: "reads keep-alive", value: "keep-alive", keepAlive: true },
  { name: "reads keep-alive in any case", value: "KEEP-alive", keepAlive: true },
  { name: "reads close", value: "close", close: true },
  { name: "reads close in any case", value: "cLoSe", close: true },
  { name: "reads upgrade beside keep-alive", value: "keep-alive, Upgrade", keepAlive: true, upgrade: true },
  { name: "keeps both of a contradiction", value: "close, keep-alive", close: true, keepAlive: true },
  { name: "lower-cases nominated names", value: "X-Hop, close", close: true, nominated: ["x-hop"] },
  { name: "takes tabs and empty elements", value: " ,\tx-a\t,, x-b ,", nominated: ["x-a", "x-b"] },
  { name: "names a field once", value: "x-a, X-A, x-a", nominated: ["x-a"] },
  { name: "does not nominate host", value: "Host, x-a", nominated: ["x-a"] },
  { name: "does not nominate every protected name", value: PROTECTED_NAMES.join(", ") },
  { name: "does not repeat fixed hop-by-hop names", value: "te, transfer-encoding, keep-alive", keepAlive: true },
  { name: "refuses what is no token", value: "x-a, b c", close: true, nominated: ["x-a"], isMalformed: true },
  { name: "refuses a quoted string", value: 'x-a, "close"', close: true, nominated: ["x-a"], isMalformed: true },
  { name: "refuses a no-break space as padding", value: "\u00a0close", close: true, isMalformed: true },
];

for (const { name, value, ...expected } of CONNECTION_CASES) {
  Deno.test(`parseConnection() ${name}`, () => {
    assertEquals(parseConnection(value), { ...NO_CONNECTION_OPTIONS, ...expected });
  });
}

Deno.test("parseConnection() bounds the nominated names", () => {
  const names = (count: number) => Array.from({ length: count }, (_, i) => `x-${i}`);
  assertEquals(parseConnection(names(NOMINATED_MAX).join()).isMalformed, false);
  const over = parseConnection(names(NOMINATED_MAX + 1).join());
  assertEquals([over.isMalformed, over.close, over.nominated.length], [true, true, NOMINATED_MAX]);
});

Deno.test("parseConnection() shares one object for a common value", () => {
  assertEquals(parseConnection("keep-alive") === parseConnection("Keep-Alive"), true);
});

const TE_CASES: Array<[value: string, expected: boolean]> = [
  ["trailers", true],
  ["Trailers", true],
  ["gzip;q=0.5, trailers", true],
  ["gzip", false],
  ["", false],
  ["trailers;q=1", false],
  ["xtrailers", false],
];

for (const [value, expected] of TE_CASES) {
  Deno.test(`teTrailers() says ${expected} for "${value}"`, () => assertEquals(teTrailers(value), expected));
}
