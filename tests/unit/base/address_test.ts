import { assertEquals, assertThrows } from "@std/assert";
import {
  CidrSet,
  formatAddress,
  isLoopback,
  normalizeHostname,
  normalizeIp,
  parseBackendUrl,
  parseListenAddress,
} from "../../../lib/base/address.ts";

const LISTEN: ReadonlyArray<readonly [text: string, printed: string]> = [
  ["0.0.0.0:8080", "0.0.0.0:8080"],
  ["[::]:8080", "[::]:8080"],
  ["[0:0:0:0:0:0:0:1]:80", "[::1]:80"],
  ["LocalHost:0", "localhost:0"],
  ["unix:/run/x.sock", "unix:/run/x.sock"],
  ["unix:x.sock", "unix:x.sock"],
];
for (const [text, printed] of LISTEN) {
  Deno.test(`parseListenAddress() reads "${text}"`, () => {
    assertEquals(formatAddress(parseListenAddress(text)), printed);
  });
}

Deno.test("parseListenAddress() gives IPv6 without brackets", () => {
  assertEquals(parseListenAddress("[::]:8080"), { kind: "tcp", hostname: "::", port: 8080 });
});

const LISTEN_BAD: ReadonlyArray<readonly [text: string, message: string]> = [
  ["", "must name a host"],
  [":8080", `did you mean "0.0.0.0:8080"?`],
  ["8080", `did you mean "0.0.0.0:8080"?`],
  ["localhost", "must name a port"],
  ["localhost:", `must name a port after ":"`],
  ["localhost:99999", "port from 0 to 65535"],
  ["localhost:-1", "port from 0 to 65535"],
  ["localhost:80a", "port from 0 to 65535"],
  ["::1:80", "brackets"],
  ["::1", "brackets"],
  ["[::1", "must be host:port"],
  ["[::g]:80", "must name a valid host"],
  ["[127.0.0.1]:80", "must name a valid host"],
  ["1.2.3.256:80", "must name a valid host"],
  ["1.2.3:80", "must name a valid host"],
  ["a b:80", "must name a valid host"],
  ["-a:80", "must name a valid host"],
  ["unix:", "must name a socket file"],
  ["unix:/run/", "must name a socket file"],
  ["unix:///run/x", `drop the "//"`],
  ["unix:/" + "x".repeat(107), "at most 107 bytes"],
  ["unix:/a\nb", "control characters"],
];
for (const [text, message] of LISTEN_BAD) {
  Deno.test(`parseListenAddress() refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
    assertThrows(() => parseListenAddress(text), SyntaxError, message);
  });
}

Deno.test("parseBackendUrl() fills the default ports", () => {
  assertEquals(parseBackendUrl("http://H"), { kind: "tcp", tls: false, hostname: "h", port: 80 });
  assertEquals(parseBackendUrl("HTTPS://h"), { kind: "tcp", tls: true, hostname: "h", port: 443 });
  assertEquals(parseBackendUrl("http://[::1]:81"), { kind: "tcp", tls: false, hostname: "::1", port: 81 });
  assertEquals(parseBackendUrl("unix:/p"), { kind: "unix", tls: false, path: "/p" });
});

const URL_BAD: ReadonlyArray<readonly [text: string, message: string]> = [
  ["", "must be a URL such as"],
  ["10.0.0.1:80", "must be a URL such as"],
  ["localhost:80", "must be a URL such as"],
  ["ftp://h", "must start with"],
  ["http://", "must name a host"],
  ["http://h/", "must not have a path"],
  ["http://h/a", "must not have a path"],
  ["http://h?a", "must not have a query"],
  ["http://h#a", "must not have a fragment"],
  ["http://h:0", "port from 1 to 65535"],
  ["http://u:p@h", "must not hold a user or password"],
  ["http://h:80\n", "port from 1 to 65535"],
  ["http:// h", "must name a valid host"],
];
for (const [text, message] of URL_BAD) {
  Deno.test(`parseBackendUrl() refuses ${JSON.stringify(text)}`, () => {
    assertThrows(() => parseBackendUrl(text), SyntaxError, message);
  });
}

Deno.test("parseBackendUrl() does not repeat a password", () => {
  const error = assertThrows(() => parseBackendUrl("http://u:hunter2@h"), SyntaxError) as Error;
  assertEquals(error.message.includes("hunter2"), false);
});

const IPS: ReadonlyArray<readonly [text: string, normal: string]> = [
  ["1.2.3.4", "1.2.3.4"],
  ["255.255.255.255", "255.255.255.255"],
  ["::ffff:1.2.3.4", "1.2.3.4"],
  ["::FFFF:0102:0304", "1.2.3.4"],
  ["[::1]", "::1"],
  ["fe80::1%eth0", "fe80::1"],
  ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["::", "::"],
  ["1::", "1::"],
  ["0:1:0:1:0:1:0:1", "0:1:0:1:0:1:0:1"],
  ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
  ["ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["", ""],
  ["1.2.3", ""],
  ["1.2.3.4.5", ""],
  ["01.2.3.4", ""],
  ["1.2.3.4 ", ""],
  ["1..3.4", ""],
  ["256.1.1.1", ""],
  [":", ""],
  [":::", ""],
  ["1:2:3:4:5:6:7", ""],
  ["1:2:3:4:5:6:7:8:9", ""],
  ["1::2::3", ""],
  ["1:2:3:4:5:6:7:8::", ""],
  ["::1:2:3:4:5:6:7:8", ""],
  ["1:2:3:4:5:6:7:1.2.3.4", ""],
  ["12345::", ""],
  ["1:", ""],
  [":1", ""],
  ["g::", ""],
  ["::1.2.3", ""],
];
for (const [text, normal] of IPS) {
  Deno.test(`normalizeIp() makes "${normal}" of ${JSON.stringify(text)}`, () => {
    assertEquals(normalizeIp(text), normal);
    if (normal !== "") assertEquals(normalizeIp(normal), normal);
  });
}

const MEMBERS: ReadonlyArray<readonly [cidrs: readonly string[], ip: string, expected: boolean]> = [
  [[], "10.0.0.1", false],
  [["10.0.0.0/8"], "10.255.0.1", true],
  [["10.0.0.0/8"], "11.0.0.1", false],
  [["10.0.0.0/8"], "::ffff:10.0.0.1", true],
  [["::ffff:10.0.0.0/104"], "10.0.0.1", true],
  [["::ffff:10.0.0.0/104"], "11.0.0.1", false],
  [["0.0.0.0/0"], "200.1.1.1", true],
  [["0.0.0.0/0"], "::1", false],
  [["::/0"], "::1", true],
  [["::/0"], "1.2.3.4", false],
  [["192.168.1.1"], "192.168.1.1", true],
  [["192.168.1.1"], "192.168.1.2", false],
  [["128.0.0.0/1"], "255.0.0.1", true],
  [["fd00::/8"], "fdff::1", true],
  [["fd00::/8"], "fe00::1", false],
  [["2001:db8::/33"], "2001:db8:7fff::", true],
  [["2001:db8::/33"], "2001:db8:8000::", false],
  [["::1/128", "10.0.0.0/8"], "::1", true],
  [["10.0.0.0/8"], "not an address", false],
  [["10.0.0.0/8"], "", false],
];
for (const [cidrs, ip, expected] of MEMBERS) {
  Deno.test(`CidrSet.has() says ${expected} for "${ip}" in [${cidrs.join(", ")}]`, () => {
    assertEquals(new CidrSet(cidrs).has(ip), expected);
  });
}

const CIDR_BAD: ReadonlyArray<readonly [cidr: string, message: string]> = [
  ["10.0.0.1/8", `did you mean "10.0.0.0/8"?`],
  ["fd00::1/8", `did you mean "fd00::/8"?`],
  ["::ffff:10.0.0.1/104", `did you mean "10.0.0.0/8"?`],
  ["10.0.0.0/33", "prefix from 0 to 32"],
  ["::/129", "prefix from 0 to 128"],
  ["::ffff:10.0.0.0/8", "prefix from 96 to 128"],
  ["10.0.0.0/", "prefix from 0 to 32"],
  ["10.0.0.0/08", "prefix from 0 to 32"],
  ["10.0.0.0/8/8", "prefix from 0 to 32"],
  ["10/8", "must be a network such as"],
  ["", "must be a network such as"],
  ["example.com", "must be a network such as"],
];
for (const [cidr, message] of CIDR_BAD) {
  Deno.test(`CidrSet() refuses ${JSON.stringify(cidr)}`, () => {
    assertThrows(() => new CidrSet([cidr]), SyntaxError, message);
  });
}

for (
  const [text, expected] of [["localhost:1", true], ["127.0.0.9:1", true], ["[::1]:1", true], ["unix:/a", true], [
    "0.0.0.0:1",
    false,
  ], ["10.0.0.1:1", false]] as const
) {
  Deno.test(`isLoopback() says ${expected} for "${text}"`, () => {
    assertEquals(isLoopback(parseListenAddress(text)), expected);
  });
}

for (
  const [text, expected] of [
    ["A.example", "a.example"],
    ["a_b", "a_b"],
    ["a..b", ""],
    ["ä", ""],
    ["1.2.3", ""],
    [
      "[fe80::1%eth0]",
      "fe80::1%eth0",
    ],
    ["a.b.", ""],
    ["x".repeat(64), ""],
  ] as const
) {
  Deno.test(`normalizeHostname() makes "${expected}" of ${JSON.stringify(text)}`, () => {
    assertEquals(normalizeHostname(text), expected);
  });
}
