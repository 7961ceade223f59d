/** A cookie that is `Secure` where no client comes over TLS would never come back. */

import { assertEquals } from "@std/assert";
import { formatIssue } from "../../../lib/config/issue.ts";
import { EVERYTHING_WORKS, load } from "./config_support.ts";

const PLAIN = `[[listeners]]\naddress = "127.0.0.1:1"\nengine = "wire"\n`;
const SECURE =
  `[[listeners]]\naddress = "127.0.0.1:2"\nengine = "wire"\ntls = { cert = "site.pem", key = "site.key" }\n`;
const TRUSTED = `[server]\ntrusted_proxies = ["10.0.0.0/8"]\n`;

function upstream(sameSite: string): string {
  return `[upstreams.app]\nstrategy = "sticky"\nbackends = [{ url = "http://127.0.0.1:3" }]\n` +
    `sticky = { same_site = "${sameSite}", secret = "0123456789abcdef0123456789abcdef" }\n` +
    `[[routes]]\npath = "/*"\nupstream = "app"\n`;
}

const WARNING =
  `config.toml:7: upstreams.app.sticky.same_site: "none" makes the cookie Secure, and no client comes over TLS: ` +
  `no listener has "tls", and "server.trusted_proxies" is empty`;

const CASES: ReadonlyArray<{ name: string; text: string; warnings: readonly string[] }> = [
  { name: "none without TLS", text: PLAIN + upstream("none"), warnings: [WARNING] },
  { name: "lax without TLS", text: PLAIN + upstream("lax"), warnings: [] },
  { name: "none with TLS on one listener", text: PLAIN + SECURE + upstream("none"), warnings: [] },
  { name: "none behind a proxy", text: TRUSTED + PLAIN + upstream("none"), warnings: [] },
];

for (const { name, text, warnings } of CASES) {
  Deno.test(`loadConfig() warns of a Secure cookie that never comes back: ${name}`, async () => {
    const loaded = await load(text, EVERYTHING_WORKS);
    assertEquals(loaded.warnings.map((issue) => formatIssue("config.toml", issue)), warnings);
  });
}
