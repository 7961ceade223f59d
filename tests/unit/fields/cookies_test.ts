import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { getCookies } from "@std/http/cookie";
import { readCookie, stickySetCookie, stickyValues, withoutCookie } from "../../../lib/fields/cookies.ts";

interface CookieCase {
  name: string;
  header: string;
  value: string | null;
  rest: string | null;
}

/** Everything asks for the cookie "s". */
const CASES: CookieCase[] = [
  { name: "the only cookie", header: "s=1", value: "1", rest: null },
  { name: "the first", header: "s=1; a=2", value: "1", rest: "a=2" },
  { name: "the last", header: "a=2; s=1", value: "1", rest: "a=2" },
  { name: "one in the middle", header: "a=2; s=1; b=3", value: "1", rest: "a=2; b=3" },
  { name: "one without blanks", header: "a=2;s=1;b=3", value: "1", rest: "a=2;b=3" },
  { name: "odd blanks, kept", header: "a=2 ;  s=1 ;\tb=3 ", value: "1", rest: "a=2 ;\tb=3 " },
  { name: "a value with an equals sign", header: "s=a=b", value: "a=b", rest: null },
  { name: "a quoted value", header: 's="x"; a=1', value: '"x"', rest: "a=1" },
  { name: "an empty value", header: "s=; a=1", value: "", rest: "a=1" },
  { name: "several of the name", header: "s=1; a=2; s=3", value: "1", rest: "a=2" },
  { name: "several in front", header: "s=1; s=3; a=2", value: "1", rest: "a=2" },
  { name: "a header without it", header: "a=2; b", value: null, rest: "a=2; b" },
  { name: "a longer name", header: "ss=1; as=2; s2=3", value: null, rest: "ss=1; as=2; s2=3" },
  { name: "another case", header: "S=1", value: null, rest: "S=1" },
  { name: "the name in a value", header: "a=s=1", value: null, rest: "a=s=1" },
  { name: "a name without a value", header: "s; a=1", value: null, rest: "s; a=1" },
  { name: "an empty header", header: "", value: null, rest: "" },
  { name: "nothing but separators beside it", header: "; s=1; ", value: "1", rest: null },
  { name: "junk beside it", header: "\u00ff; s=1;;a", value: "1", rest: "\u00ff;;a" },
];

for (const { name, header, value, rest } of CASES) {
  Deno.test(`readCookie() reads ${name}`, () => assertEquals(readCookie(header, "s"), value));
  Deno.test(`withoutCookie() takes out ${name}`, () => assertEquals(withoutCookie(header, "s"), rest));
}

Deno.test("readCookie() agrees with @std/http/cookie on well-formed headers", () => {
  const header = "a=1; bb=two; c=x=y; d=";
  for (const [name, value] of Object.entries(getCookies(new Headers({ cookie: header })))) {
    assertEquals(readCookie(header, name), value);
  }
});

Deno.test("stickySetCookie() marks a session cookie", () => {
  const cookie = stickySetCookie({ name: "sluice_api", value: "abc", ttlMs: 0, secure: false, sameSite: "Lax" });
  assertEquals(cookie.split("; ").sort(), ["HttpOnly", "Path=/", "SameSite=Lax", "sluice_api=abc"]);
});

Deno.test("stickySetCookie() adds Secure and Max-Age", () => {
  const cookie = stickySetCookie({ name: "s", value: "abc", ttlMs: 1500, secure: true, sameSite: "Lax" });
  assertEquals(cookie.split("; ").sort(), ["HttpOnly", "Max-Age=2", "Path=/", "SameSite=Lax", "Secure", "s=abc"]);
});

Deno.test("stickySetCookie() takes the rule for other sites, and makes None secure", () => {
  const attributes = (sameSite: "Lax" | "Strict" | "None", secure: boolean) =>
    stickySetCookie({ name: "s", value: "abc", ttlMs: 0, secure, sameSite }).split("; ").slice(1).sort();
  assertEquals(attributes("Strict", false), ["HttpOnly", "Path=/", "SameSite=Strict"]);
  assertEquals(attributes("None", false), ["HttpOnly", "Path=/", "SameSite=None", "Secure"]);
  assertEquals(attributes("None", true), ["HttpOnly", "Path=/", "SameSite=None", "Secure"]);
});

Deno.test("stickySetCookie() refuses a name that would break the line", () => {
  assertThrows(
    () => stickySetCookie({ name: "a b", value: "x", ttlMs: 0, secure: false, sameSite: "Lax" }),
    SyntaxError,
  );
  assertThrows(
    () => stickySetCookie({ name: "a", value: "x;y", ttlMs: 0, secure: false, sameSite: "Lax" }),
    SyntaxError,
  );
});

Deno.test("stickyValues() gives each backend one stable value", async () => {
  const values = await stickyValues("secret", ["http://10.0.0.1:80", "http://10.0.0.2:80"]);
  assertEquals(values, await stickyValues("secret", ["http://10.0.0.1:80", "http://10.0.0.2:80"]));
  assertEquals(values.every((value) => /^[A-Za-z0-9_-]{22}$/.test(value)), true);
  assertEquals(values[0] === values[1], false);
});

Deno.test("stickyValues() depends on the secret", async () => {
  assertEquals((await stickyValues("a", ["x"]))[0] === (await stickyValues("b", ["x"]))[0], false);
});

Deno.test("stickyValues() refuses an empty secret", async () => {
  await assertRejects(() => stickyValues("", ["x"]), RangeError);
});
