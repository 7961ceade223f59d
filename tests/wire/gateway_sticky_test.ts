/** The attributes of a sticky cookie: who is said to have come over TLS, by whom, and what other sites may do with it. */

import { assertEquals } from "../support/assert.ts";
import { ENGINES, Gateway, requestFor, type Site } from "../support/gateway_stage.ts";

const STICKY = `strategy = "sticky"\nsticky.secret = "for tests"`;
const SITES: readonly Site[] = [
  { name: "plain", upstream: STICKY },
  { name: "strict", upstream: `${STICKY}\nsticky.same_site = "strict"` },
  { name: "none", upstream: `${STICKY}\nsticky.same_site = "none"` },
];
/** The IPv6 loopback address is a trusted proxy; that of IPv4 is anybody. */
const LISTENERS = Object.fromEntries(ENGINES.flatMap((engine) => [
  [`${engine} trusted`, `engine = "${engine}"\naddress = "[::1]:0"`],
  [`${engine} open`, `engine = "${engine}"`],
]));

type Mode = "x-forwarded" | "rfc7239" | "both" | "off";

interface Row {
  readonly lines: readonly string[];
  /** Modes in which a trusted proxy that says so makes the cookie secure. */
  readonly secureIn: readonly Mode[];
}

const ROWS: readonly Row[] = [
  { lines: [], secureIn: [] },
  { lines: ["X-Forwarded-Proto: https"], secureIn: ["x-forwarded", "both", "off"] },
  { lines: ["X-Forwarded-Proto: HTTPS"], secureIn: ["x-forwarded", "both", "off"] },
  { lines: ["X-Forwarded-Proto: http, https"], secureIn: ["x-forwarded", "both", "off"] },
  { lines: ["X-Forwarded-Proto: https, http"], secureIn: [] },
  { lines: ["X-Forwarded-Proto: wss"], secureIn: [] },
  { lines: ["Forwarded: for=192.0.2.1;proto=https"], secureIn: ["rfc7239", "both", "off"] },
  { lines: ['Forwarded: for=192.0.2.1;proto="https"'], secureIn: ["rfc7239", "both", "off"] },
  {
    // The proxy before the last one is trusted, too, and speaks of the client.
    lines: [`Forwarded: for=192.0.2.1;proto=https, for="[::1]";proto=http`],
    secureIn: ["rfc7239", "both", "off"],
  },
  { lines: ["Forwarded: for=192.0.2.1;proto=https, for=192.0.2.2;proto=http"], secureIn: [] },
  { lines: ["Forwarded: for=192.0.2.1;proto=https;proto=https"], secureIn: [] },
  { lines: ["X-Forwarded-Proto: http", "Forwarded: for=192.0.2.1;proto=https"], secureIn: ["rfc7239"] },
];

for (const mode of ["x-forwarded", "rfc7239", "both", "off"] as const) {
  Deno.test(`a sticky cookie is Secure for who is said to have come over TLS: forwarded = "${mode}"`, async (test) => {
    const server = `trusted_proxies = ["::1/128"]\nforwarded = "${mode}"`;
    await using gateway = await Gateway.start({ sites: SITES, listeners: LISTENERS, server });
    const attributes = async (site: string, lines: readonly string[], listener: string) => {
      const response = await gateway.send(requestFor(site, ...lines), listener);
      assertEquals(response.fieldLines("set-cookie").length, 1);
      return response.fieldLines("set-cookie")[0].split("; ").slice(1).sort();
    };
    for (const engine of ENGINES) {
      for (const { lines, secureIn } of ROWS) {
        await test.step(`${engine}: ${lines.join(" and ") || "nothing said"}`, async () => {
          const secure = secureIn.includes(mode) ? ["Secure"] : [];
          const plain = ["HttpOnly", "Path=/", "SameSite=Lax"];
          assertEquals(await attributes("plain", lines, `${engine} trusted`), [...plain, ...secure]);
          assertEquals(await attributes("plain", lines, `${engine} open`), plain);
        });
      }
      if (mode !== "x-forwarded") continue;
      await test.step(`${engine}: same_site`, async () => {
        const said = ["X-Forwarded-Proto: https"];
        assertEquals(await attributes("strict", [], `${engine} open`), ["HttpOnly", "Path=/", "SameSite=Strict"]);
        for (const lines of [[], said]) {
          const expected = ["HttpOnly", "Path=/", "SameSite=None", "Secure"];
          assertEquals(await attributes("none", lines, `${engine} trusted`), expected);
          assertEquals(await attributes("none", lines, `${engine} open`), expected);
        }
      });
    }
  });
}
