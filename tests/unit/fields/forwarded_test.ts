import { assertEquals } from "@std/assert";
import { CidrSet } from "../../../lib/base/cidr.ts";
import {
  type ExistingForwarded,
  FORWARDED_LENGTH_MAX,
  FORWARDED_NAMES,
  ForwardedFields,
  type ForwardedMode,
  type ForwardedPeer,
} from "../../../lib/fields/forwarded.ts";
import { clientAddress, parseForwarded } from "../../../lib/fields/forwarded_chain.ts";

const TRUSTED = new CidrSet(["10.0.0.0/8", "fd00::/8"]);
const NONE: ExistingForwarded = { xForwardedFor: null, xForwardedProto: null, xForwardedHost: null, forwarded: null };
const FORGED: ExistingForwarded = {
  xForwardedFor: "6.6.6.6",
  xForwardedProto: "https",
  xForwardedHost: "evil.example",
  forwarded: "for=6.6.6.6;proto=https",
};

interface ClientCase {
  name: string;
  peer: string;
  xForwardedFor?: string;
  forwarded?: string;
  expected: string;
}

const CLIENT_CASES: ClientCase[] = [
  { name: "is the peer without fields", peer: "10.0.0.1", expected: "10.0.0.1" },
  { name: "ignores an untrusted peer's list", peer: "1.1.1.1", xForwardedFor: "6.6.6.6", expected: "1.1.1.1" },
  { name: "believes a trusted peer", peer: "10.0.0.1", xForwardedFor: "1.1.1.1", expected: "1.1.1.1" },
  { name: "takes the right-most", peer: "10.0.0.1", xForwardedFor: "6.6.6.6, 1.1.1.1", expected: "1.1.1.1" },
  { name: "skips trusted hops", peer: "10.0.0.1", xForwardedFor: "6.6.6.6,1.1.1.1, 10.0.0.2", expected: "1.1.1.1" },
  {
    name: "takes the left-most of trusted hops",
    peer: "10.0.0.1",
    xForwardedFor: "10.0.0.3, fd00::2",
    expected: "10.0.0.3",
  },
  { name: "stops at junk", peer: "10.0.0.1", xForwardedFor: "1.1.1.1, junk, 10.0.0.2", expected: "10.0.0.2" },
  { name: "stops at junk at once", peer: "10.0.0.1", xForwardedFor: "1.1.1.1, unknown", expected: "10.0.0.1" },
  {
    name: "stops at a blank inside an entry",
    peer: "10.0.0.1",
    xForwardedFor: "1.1.1.1 2.2.2.2",
    expected: "10.0.0.1",
  },
  { name: "passes empty elements", peer: "10.0.0.1", xForwardedFor: " 1.1.1.1 ,, ", expected: "1.1.1.1" },
  { name: "is the peer for an empty list", peer: "10.0.0.1", xForwardedFor: "", expected: "10.0.0.1" },
  { name: "is the peer for commas only", peer: "10.0.0.1", xForwardedFor: ",,", expected: "10.0.0.1" },
  { name: "takes a port off IPv4", peer: "10.0.0.1", xForwardedFor: "1.1.1.1:5000", expected: "1.1.1.1" },
  { name: "takes a port off IPv6", peer: "10.0.0.1", xForwardedFor: "[2001:DB8::1]:5000", expected: "2001:db8::1" },
  { name: "takes bare IPv6", peer: "10.0.0.1", xForwardedFor: "2001:db8:0:0::1", expected: "2001:db8::1" },
  { name: "sees mapped IPv4 as IPv4", peer: "::ffff:10.0.0.1", xForwardedFor: "::ffff:1.1.1.1", expected: "1.1.1.1" },
  { name: "refuses a port that is none", peer: "10.0.0.1", xForwardedFor: "1.1.1.1:x", expected: "10.0.0.1" },
  { name: "is empty for a Unix socket", peer: "", xForwardedFor: "6.6.6.6", expected: "" },
  { name: "reads Forwarded", peer: "10.0.0.1", forwarded: "for=6.6.6.6, for=1.1.1.1;proto=http", expected: "1.1.1.1" },
  { name: "reads quoted IPv6", peer: "10.0.0.1", forwarded: 'For="[2001:db8::1]:47"', expected: "2001:db8::1" },
  {
    name: "is not fooled by quoted commas",
    peer: "10.0.0.1",
    forwarded: 'for=1.1.1.1;by="a, for=6.6.6.6"',
    expected: "1.1.1.1",
  },
  { name: "stops where for is missing", peer: "10.0.0.1", forwarded: "for=1.1.1.1, proto=http", expected: "10.0.0.1" },
  {
    name: "stops at an obfuscated name",
    peer: "10.0.0.1",
    forwarded: "for=1.1.1.1, for=_hidden",
    expected: "10.0.0.1",
  },
  { name: "stops at an open quote", peer: "10.0.0.1", forwarded: 'for="1.1.1.1, for=2.2.2.2', expected: "10.0.0.1" },
  { name: "stops at for twice", peer: "10.0.0.1", forwarded: "for=6.6.6.6;for=1.1.1.1", expected: "10.0.0.1" },
  {
    name: "prefers X-Forwarded-For",
    peer: "10.0.0.1",
    xForwardedFor: "1.1.1.1",
    forwarded: "for=2.2.2.2",
    expected: "1.1.1.1",
  },
];

for (const { name, peer, xForwardedFor = null, forwarded = null, expected } of CLIENT_CASES) {
  Deno.test(`clientAddress() ${name}`, () => {
    assertEquals(clientAddress(peer, xForwardedFor, forwarded, TRUSTED), expected);
  });
}

function emitted(mode: ForwardedMode, peer: ForwardedPeer, existing: ExistingForwarded, host = "a.example"): string[] {
  const lines: string[] = [];
  new ForwardedFields(mode).emit(peer, "http", host, existing, (name, value) => lines.push(`${name}: ${value}`));
  return lines;
}

const STRANGER: ForwardedPeer = { ip: "1.2.3.4", isTrusted: false };
const PROXY: ForwardedPeer = { ip: "10.0.0.1", isTrusted: true };

interface EmitCase {
  name: string;
  mode: ForwardedMode;
  peer: ForwardedPeer;
  existing: Partial<ExistingForwarded>;
  host?: string;
  expected: string[];
}

const EMIT_CASES: EmitCase[] = [
  {
    name: "makes X-Forwarded anew for a stranger",
    mode: "x-forwarded",
    peer: STRANGER,
    existing: FORGED,
    expected: ["x-forwarded-for: 1.2.3.4", "x-forwarded-proto: http", "x-forwarded-host: a.example"],
  },
  {
    name: "makes Forwarded anew for a stranger",
    mode: "rfc7239",
    peer: STRANGER,
    existing: FORGED,
    expected: ["forwarded: for=1.2.3.4;host=a.example;proto=http"],
  },
  {
    name: "writes both",
    mode: "both",
    peer: STRANGER,
    existing: {},
    host: "",
    expected: ["x-forwarded-for: 1.2.3.4", "x-forwarded-proto: http", "forwarded: for=1.2.3.4;proto=http"],
  },
  { name: "writes nothing when off", mode: "off", peer: PROXY, existing: FORGED, expected: [] },
  {
    name: "appends for a trusted proxy and keeps its scheme and host",
    mode: "x-forwarded",
    peer: PROXY,
    existing: { xForwardedFor: "9.9.9.9", xForwardedProto: "HTTPS", xForwardedHost: "b.example:8443" },
    expected: ["x-forwarded-for: 9.9.9.9, 10.0.0.1", "x-forwarded-proto: https", "x-forwarded-host: b.example:8443"],
  },
  {
    name: "keeps the last of a trusted proxy's lists",
    mode: "x-forwarded",
    peer: PROXY,
    existing: { xForwardedProto: "https, http", xForwardedHost: "evil.example, b.example" },
    expected: ["x-forwarded-for: 10.0.0.1", "x-forwarded-proto: http", "x-forwarded-host: b.example"],
  },
  {
    name: "replaces a scheme and host that make no sense",
    mode: "x-forwarded",
    peer: PROXY,
    existing: { xForwardedProto: "javascript", xForwardedHost: "user@b" },
    expected: ["x-forwarded-for: 10.0.0.1", "x-forwarded-proto: http", "x-forwarded-host: a.example"],
  },
  {
    name: "appends to Forwarded",
    mode: "rfc7239",
    peer: PROXY,
    existing: { forwarded: 'for="[2001:db8::9]"; proto=https' },
    expected: ['forwarded: for="[2001:db8::9]"; proto=https, for=10.0.0.1;host=a.example;proto=http'],
  },
  {
    name: "does not append to a Forwarded with an open quote",
    mode: "rfc7239",
    peer: PROXY,
    existing: { forwarded: 'for="' },
    expected: ["forwarded: for=10.0.0.1;host=a.example;proto=http"],
  },
  {
    name: "carries X-Forwarded-For over into Forwarded",
    mode: "rfc7239",
    peer: PROXY,
    existing: { xForwardedFor: "junk, 9.9.9.9, 2001:db8::9" },
    host: "",
    expected: ['forwarded: for=9.9.9.9, for="[2001:db8::9]", for=10.0.0.1;proto=http'],
  },
  {
    name: "carries Forwarded over into X-Forwarded-For",
    mode: "x-forwarded",
    peer: PROXY,
    existing: { forwarded: 'for=9.9.9.9, for="[2001:db8::9]:1"' },
    host: "",
    expected: ["x-forwarded-for: 9.9.9.9, 2001:db8::9, 10.0.0.1", "x-forwarded-proto: http"],
  },
  {
    name: "quotes IPv6 without its zone, and a host with a port",
    mode: "rfc7239",
    peer: { ip: "fe80::1%eth0", isTrusted: false },
    existing: {},
    host: "[::1]:80",
    expected: ['forwarded: for="[fe80::1]";host="[::1]:80";proto=http'],
  },
  {
    name: "says unknown for a Unix socket",
    mode: "both",
    peer: { ip: "", isTrusted: false },
    existing: {},
    host: "",
    expected: ["x-forwarded-for: unknown", "x-forwarded-proto: http", "forwarded: for=unknown;proto=http"],
  },
];

for (const { name, mode, peer, existing, host, expected } of EMIT_CASES) {
  Deno.test(`ForwardedFields.emit() ${name}`, () => {
    assertEquals(emitted(mode, peer, { ...NONE, ...existing }, host), expected);
  });
}

Deno.test("ForwardedFields.emit() drops the oldest entries of a list that is too long", () => {
  const entries = Array.from({ length: 400 }, (_, i) => `9.9.${i >> 8}.${i & 255}`);
  const [xff] = emitted("x-forwarded", PROXY, { ...NONE, xForwardedFor: entries.join(", ") });
  const [fwd] = emitted("rfc7239", PROXY, { ...NONE, forwarded: entries.map((ip) => `for=${ip}`).join(",") });
  for (const [line, name] of [[xff, "x-forwarded-for: "], [fwd, "forwarded: "]]) {
    const value = line.slice(name.length);
    assertEquals(value.length <= FORWARDED_LENGTH_MAX && value.length > FORWARDED_LENGTH_MAX - 40, true);
  }
  assertEquals(xff.endsWith("9.9.1.142, 9.9.1.143, 10.0.0.1"), true);
  assertEquals(xff.slice("x-forwarded-for: ".length).split(", ").every((ip) => /^\d+\.\d+\.\d+\.\d+$/.test(ip)), true);
  assertEquals(parseForwarded(fwd.slice("forwarded: ".length))?.at(-2)?.forValue, "9.9.1.143");
});

Deno.test("ForwardedFields.removes() lets a stranger's family pass in no mode", () => {
  for (const mode of ["x-forwarded", "rfc7239", "both", "off"] as const) {
    const fields = new ForwardedFields(mode);
    assertEquals(FORWARDED_NAMES.filter((name) => !fields.removes(name, false)), []);
    assertEquals(fields.removes("accept", false), false);
  }
});

Deno.test("ForwardedFields.removes() passes what a trusted proxy says and we do not", () => {
  const passed = (mode: ForwardedMode) =>
    FORWARDED_NAMES.filter((name) => !new ForwardedFields(mode).removes(name, true));
  assertEquals(passed("x-forwarded"), ["x-forwarded-port", "x-real-ip"]);
  assertEquals(passed("rfc7239"), ["x-forwarded-port", "x-real-ip"]);
  assertEquals(passed("off"), FORWARDED_NAMES);
});

Deno.test("ForwardedFields.client() believes only the family of its mode", () => {
  const existing = { ...NONE, xForwardedFor: "1.1.1.1", forwarded: "for=2.2.2.2" };
  assertEquals(new ForwardedFields("x-forwarded").client("10.0.0.1", existing, TRUSTED), "1.1.1.1");
  assertEquals(new ForwardedFields("rfc7239").client("10.0.0.1", existing, TRUSTED), "2.2.2.2");
});

const SYNTAX: Array<[value: string, expected: string[] | null]> = [
  ["", []],
  [" , ,", []],
  ["for=a;;by=b", ["a"]],
  ["proto=http", [""]],
  ['for="a\\"b"', ['a"b']],
  ["for = a", null],
  ["for=a b", null],
  ["for", null],
  ['for="a', null],
  ["for=[::1]", null],
];

for (const [value, expected] of SYNTAX) {
  Deno.test(`parseForwarded() reads ${JSON.stringify(value)}`, () => {
    assertEquals(parseForwarded(value)?.map((element) => element.forValue) ?? null, expected);
  });
}
