import { assertEquals } from "@std/assert";
import { splitAuthority, validAuthority } from "../../../lib/fields/authority.ts";

const VALID: Array<[text: string, host: string, port: number]> = [
  ["example.com", "example.com", 0],
  ["Example.COM:8080", "Example.COM", 8080],
  ["example.com.", "example.com.", 0],
  ["example.com:", "example.com", 0],
  ["localhost", "localhost", 0],
  ["my_service:65535", "my_service", 65535],
  ["xn--bcher-kva.example", "xn--bcher-kva.example", 0],
  ["127.0.0.1:80", "127.0.0.1", 80],
  ["a:00080", "a", 80],
  ["[::]", "[::]", 0],
  ["[::1]:443", "[::1]", 443],
  ["[1::]", "[1::]", 0],
  ["[2001:db8::1]", "[2001:db8::1]", 0],
  ["[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]", 0],
  ["[1:2:3:4:5:6:7::]", "[1:2:3:4:5:6:7::]", 0],
  ["[::2:3:4:5:6:7:8]", "[::2:3:4:5:6:7:8]", 0],
  ["[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.4]", 1],
  ["[1:2:3:4:5:6:255.255.255.255]", "[1:2:3:4:5:6:255.255.255.255]", 0],
];

for (const [text, host, port] of VALID) {
  Deno.test(`splitAuthority() takes "${text}"`, () => {
    assertEquals(splitAuthority(text), { host, port });
    assertEquals(validAuthority(text), true);
  });
}

const INVALID: Array<[reason: string, text: string]> = [
  ["nothing", ""],
  ["a port alone", ":80"],
  ["userinfo", "user@example.com"],
  ["userinfo with a password", "a:b@example.com"],
  ["a space", "exa mple.com"],
  ["a leading space", " example.com"],
  ["a tab", "example.com\t"],
  ["a path", "example.com/a"],
  ["a query", "example.com?a"],
  ["a fragment", "example.com#a"],
  ["a backslash", "example.com\\a"],
  ["a list", "a.example,b.example"],
  ["percent-encoding", "ex%61mple.com"],
  ["a control character", "a\u0000b"],
  ["a letter beyond ASCII", "b\u00fccher.example"],
  ["a letter that folds to ASCII", "\u212aelvin.example"],
  ["an empty first label", ".example.com"],
  ["an empty middle label", "a..b"],
  ["a dot alone", "."],
  ["a port above 65535", "a:65536"],
  ["a port of six digits", "a:000080"],
  ["port 0", "a:0"],
  ["a port with a sign", "a:+80"],
  ["letters in the port", "a:8o"],
  ["two ports", "a:80:80"],
  ["a bare IPv6 address", "2001:db8::1"],
  ["a name of 255 characters", `${"a".repeat(63)}.${"a".repeat(63)}.${"a".repeat(63)}.${"a".repeat(63)}`],
  ["an open bracket", "[::1"],
  ["text after the bracket", "[::1]x"],
  ["empty brackets", "[]"],
  ["one colon", "[:]"],
  ["three colons", "[:::]"],
  ["a leading single colon", "[:1:2:3:4:5:6:7]"],
  ["a trailing single colon", "[1:2:3:4:5:6:7:]"],
  ["two compressions", "[1::2::3]"],
  ["seven groups", "[1:2:3:4:5:6:7]"],
  ["nine groups", "[1:2:3:4:5:6:7:8:9]"],
  ["a compression of nothing", "[1:2:3:4:5:6:7:8::]"],
  ["five digits in a group", "[12345::]"],
  ["a zone", "[fe80::1%25eth0]"],
  ["IPvFuture", "[v1.a]"],
  ["three octets", "[::1.2.3]"],
  ["an octet above 255", "[::1.2.3.256]"],
  ["octets before groups", "[1.2.3.4::]"],
  ["an octet with a leading zero", "[::01.2.3.4]"],
  ["too many groups before octets", "[1:2:3:4:5:6:7:1.2.3.4]"],
];

for (const [reason, text] of INVALID) {
  Deno.test(`validAuthority() refuses ${reason}`, () => {
    assertEquals(validAuthority(text), false);
    assertEquals(splitAuthority(text), null);
  });
}
