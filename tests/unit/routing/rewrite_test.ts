/** Rewrite and redirect templates, through the captures of a real look-up. */

import { assertEquals, assertThrows } from "@std/assert";
import { compileRedirect } from "../../../lib/routing/redirect.ts";
import { compileRewrite } from "../../../lib/routing/rewrite.ts";
import { RouteTable } from "../../../lib/routing/route_table.ts";
import type { Captures } from "../../../lib/routing/types.ts";

function capturesOf(path: string, requested: string): Captures {
  const match = { hosts: [], path, methods: [], headers: [], query: [] };
  const table = new RouteTable([{ name: "route", line: 1, match, value: null }]);
  const matched = table.match({ host: "h", path: requested, query: "", method: "GET", field: () => null });
  if (matched === null) throw new Error(`"${requested}" does not match "${path}"`);
  return matched;
}

interface Case {
  name: string;
  path: string;
  template: string;
  /** Requested target. */
  target: string;
  expected: string;
}

const REWRITES: Case[] = [
  { name: "strips a prefix", path: "/v1/*", template: "/*", target: "/v1/a/b", expected: "/a/b" },
  { name: "strips a prefix to the root", path: "/v1/*", template: "/*", target: "/v1", expected: "/" },
  { name: "strips a prefix to its slash", path: "/v1/*", template: "/*", target: "/v1/", expected: "/" },
  { name: "swaps a prefix", path: "/v1/*", template: "/v2/*", target: "/v1/a", expected: "/v2/a" },
  { name: "keeps the absence of a slash", path: "/v1/*", template: "/v2/*", target: "/v1", expected: "/v2" },
  { name: "keeps a slash at the end", path: "/v1/*", template: "/v2/*", target: "/v1/", expected: "/v2/" },
  { name: "puts the tail in the middle", path: "/v1/*", template: "/x/*/y", target: "/v1/a/b", expected: "/x/a/b/y" },
  { name: "adds a prefix", path: "/*", template: "/app/*", target: "/a", expected: "/app/a" },
  { name: "replaces the path", path: "/v1/*", template: "/fixed", target: "/v1/a?x=1", expected: "/fixed?x=1" },
  { name: "keeps the query", path: "/v1/*", template: "/*", target: "/v1/a?x=1&y=%20", expected: "/a?x=1&y=%20" },
  {
    name: "puts parameters in",
    path: "/u/:id/p/:post",
    template: "/:post/of-:id",
    target: "/u/7/p/9",
    expected: "/9/of-7",
  },
  { name: "uses a parameter twice", path: "/u/:id", template: "/:id/:id", target: "/u/7", expected: "/7/7" },
  { name: "takes parameter and tail", path: "/u/:id/*", template: "/*/:id", target: "/u/7/a/b", expected: "/a/b/7" },
  { name: "does not decode", path: "/u/:id", template: "/:id", target: "/u/a%2Fb%20c", expected: "/a%2Fb%20c" },
  { name: "makes a query", path: "/u/:id", template: "/u?id=:id", target: "/u/7", expected: "/u?id=7" },
  {
    name: "puts the query behind its own",
    path: "/u/:id",
    template: "/u?id=:id",
    target: "/u/7?x=1",
    expected: "/u?id=7&x=1",
  },
  { name: "makes a query of the root", path: "/v1/*", template: "/*?v=1", target: "/v1", expected: "/?v=1" },
  {
    name: "puts the tail in a query",
    path: "/f/*",
    template: "/get?file=*",
    target: "/f/a/b",
    expected: "/get?file=a/b",
  },
  {
    name: "lets no parameter in",
    path: "/u/:id",
    template: "/u?id=:id",
    target: "/u/7&admin=1",
    expected: "/u?id=7%26admin%3D1",
  },
  { name: "takes a number after a colon", path: "/a", template: "/a:8080", target: "/a", expected: "/a:8080" },
  {
    name: "collapses leading slashes",
    path: "/v1/*",
    template: "/*",
    target: "/v1//evil.test/a",
    expected: "/evil.test/a",
  },
  { name: "collapses many of them", path: "/*", template: "/*", target: "////evil.test", expected: "/evil.test" },
  {
    name: "collapses a leading backslash",
    path: "/v1/*",
    template: "/*",
    target: "/v1/\\evil.test",
    expected: "/evil.test",
  },
  {
    name: "collapses one from a parameter",
    path: "/:id",
    template: "/:id",
    target: "/\\evil.test",
    expected: "/evil.test",
  },
  { name: "collapses what an empty tail leaves", path: "/v1/*", template: "/*/x", target: "/v1/", expected: "/x" },
  { name: "leaves double slashes inside", path: "/v1/*", template: "/*", target: "/v1/a//b", expected: "/a//b" },
  {
    name: "encodes what no target may have",
    path: "/:id",
    template: "/:id",
    target: "/a b\r\nc\x7f",
    expected: "/a%20b%0D%0Ac%7F",
  },
];

for (const { name, path, template, target, expected } of REWRITES) {
  Deno.test(`Rewrite.apply() ${name}`, () => {
    const [requested, query = ""] = target.split("?");
    assertEquals(compileRewrite(template, path).apply(capturesOf(path, requested), query), expected);
  });
}

const REDIRECTS: Case[] = [
  {
    name: "moves a host",
    path: "/*",
    template: "https://www.a.test/*",
    target: "/x/y?q=1",
    expected: "https://www.a.test/x/y?q=1",
  },
  {
    name: "moves a host's root",
    path: "/*",
    template: "https://a.test:8443/*",
    target: "/",
    expected: "https://a.test:8443/",
  },
  {
    name: "adds the path a URL lacks",
    path: "/a",
    template: "https://a.test",
    target: "/a?x",
    expected: "https://a.test/?x",
  },
  {
    name: "takes an IPv6 address",
    path: "/a",
    template: "http://[::1]:80/b",
    target: "/a",
    expected: "http://[::1]:80/b",
  },
  {
    name: "puts the query before the fragment",
    path: "/a",
    template: "/b?v=1#top",
    target: "/a?x=1",
    expected: "/b?v=1&x=1#top",
  },
  { name: "stays on the host", path: "/old/*", template: "/new/*", target: "/old/a", expected: "/new/a" },
  { name: "is sent to no host by //", path: "/*", template: "/*", target: "//evil.test/a", expected: "/evil.test/a" },
  {
    name: "is sent to no host by /\\",
    path: "/out/*",
    template: "/*",
    target: "/out/\\evil.test",
    expected: "/evil.test",
  },
  {
    name: "is sent to no host by a tab",
    path: "/out/*",
    template: "/*",
    target: "/out/\t/evil.test",
    expected: "/%09/evil.test",
  },
  {
    name: "is sent to no host by user info",
    path: "/*",
    template: "https://a.test/*",
    target: "/@evil.test",
    expected: "https://a.test/@evil.test",
  },
];

for (const { name, path, template, target, expected } of REDIRECTS) {
  Deno.test(`Redirect.apply() ${name}`, () => {
    const [requested, query = ""] = target.split("?");
    const location = compileRedirect(template, path).apply(capturesOf(path, requested), query);
    assertEquals(location, expected);
    const host = template.startsWith("/") ? "base.test" : new URL(template.replace("*", "")).host;
    assertEquals(new URL(location, template.startsWith("http:") ? "http://base.test" : "https://base.test").host, host);
  });
}

const REFUSALS: Array<{ name: string; kind: "rewrite" | "redirect"; template: string; path: string; message: string }> =
  [
    { name: "no slash", kind: "rewrite", template: "a", path: "/*", message: `must begin with "/"` },
    { name: "a URL", kind: "rewrite", template: "https://a.test/", path: "/*", message: `must begin with "/"` },
    { name: "two slashes", kind: "rewrite", template: "//a.test/*", path: "/*", message: `must begin with one "/"` },
    { name: "a fragment", kind: "rewrite", template: "/a#b", path: "/*", message: `must not contain "#"` },
    { name: "a space", kind: "rewrite", template: "/a b", path: "/*", message: "without spaces" },
    { name: "a line end", kind: "rewrite", template: "/a\r\nx: y", path: "/*", message: "must be printable ASCII" },
    {
      name: "a star without one in the path",
      kind: "rewrite",
      template: "/*",
      path: "/a/:id",
      message: `path "/a/:id" does not end in "/*"`,
    },
    {
      name: "a star within a segment",
      kind: "rewrite",
      template: "/a*",
      path: "/*",
      message: `"*" must be a whole segment`,
    },
    {
      name: "a star before text",
      kind: "rewrite",
      template: "/*.html",
      path: "/*",
      message: `"*" must be a whole segment`,
    },
    {
      name: "an unknown parameter",
      kind: "rewrite",
      template: "/:user",
      path: "/:id/:x",
      message: `has no ":user" (it has :id, :x)`,
    },
    {
      name: "an unknown parameter in the query",
      kind: "rewrite",
      template: "/?a=:b",
      path: "/a",
      message: `path "/a" has no ":b"`,
    },
    {
      name: "another scheme",
      kind: "redirect",
      template: "ftp://a.test/",
      path: "/*",
      message: `must begin with "https://", "http://" or "/"`,
    },
    { name: "a script", kind: "redirect", template: "javascript:alert(1)", path: "/*", message: "must begin with" },
    {
      name: "a host without scheme",
      kind: "redirect",
      template: "//a.test/*",
      path: "/*",
      message: `must begin with one "/"`,
    },
    {
      name: "a star behind the host",
      kind: "redirect",
      template: "https://a.test*",
      path: "/*",
      message: `in its host`,
    },
    { name: "a parameter as host", kind: "redirect", template: "https://:id/", path: "/:id", message: `in its host` },
    {
      name: "a parameter in the host",
      kind: "redirect",
      template: "https://x:id.a.test/",
      path: "/:id",
      message: `in its host`,
    },
    {
      name: "a user name",
      kind: "redirect",
      template: "https://a@b.test/",
      path: "/*",
      message: "must not have a user name",
    },
    { name: "no host", kind: "redirect", template: "https:///a", path: "/*", message: "must have a valid host" },
    {
      name: "a port out of range",
      kind: "redirect",
      template: "https://a.test:99999/",
      path: "/*",
      message: "must have a valid host",
    },
    { name: "a star in the fragment", kind: "redirect", template: "/a#*", path: "/*", message: "in its fragment" },
    {
      name: "an unknown parameter",
      kind: "redirect",
      template: "https://a.test/:x",
      path: "/*",
      message: `has no ":x"`,
    },
    { name: "a backslash", kind: "redirect", template: "/\\a.test", path: "/*", message: `must not contain "\\"` },
  ];

for (const { name, kind, template, path, message } of REFUSALS) {
  const compile = kind === "rewrite" ? compileRewrite : compileRedirect;
  Deno.test(`${compile.name}() refuses ${name}`, () => {
    assertThrows(() => compile(template, path), SyntaxError, message);
  });
}
