/** `serve` where other machines can connect: one warning, with the reasons that apply and the line to write. */

import { assertEquals } from "@std/assert";
import { formatIssue } from "../../../lib/config/issue.ts";
import { EVERYTHING_WORKS, load } from "./config_support.ts";

const HEADS = "has no timeout for a request's head, so clients that never finish one use up the descriptors";
const FLOODS = "lets one TLS client hold a thread for as long as it sends";
const TLS = `tls = { cert = "site.pem", key = "site.key" }`;
const ROUTE = `[[routes]]\npath = "/*"\nrespond = { status = 200 }\n`;

const listener = (address: string, more = "") => `[[listeners]]\naddress = "${address}"\n${more}\n`;

const CASES: ReadonlyArray<{ name: string; listeners: readonly string[]; warnings: readonly string[] }> = [
  { name: "loopback", listeners: [listener("127.0.0.1:1"), listener("[::1]:1", TLS)], warnings: [] },
  { name: "a Unix socket", listeners: [listener("unix:/run/a.sock")], warnings: [] },
  { name: "wire", listeners: [listener("0.0.0.0:1", `engine = "wire"`)], warnings: [] },
  {
    name: "cleartext",
    listeners: [listener("127.0.0.1:1"), listener("0.0.0.0:2")],
    warnings: [
      `config.toml:4: listeners[1].engine: "serve", at "0.0.0.0:2", can be reached from other machines; it ${HEADS}: write engine = "wire"`,
    ],
  },
  {
    name: "TLS",
    listeners: [listener("[::]:1", `engine = "serve"\n${TLS}`)],
    warnings: [
      `config.toml:3: listeners[0].engine: "serve", at "[::]:1", can be reached from other machines; it ${HEADS}, and ${FLOODS}: write engine = "wire"`,
    ],
  },
  {
    name: "several, once",
    listeners: [listener("0.0.0.0:1"), listener("10.0.0.1:2", TLS), listener("0.0.0.0:3", `engine = "wire"`)],
    warnings: [
      `config.toml:1: listeners[0].engine: "serve", at "0.0.0.0:1", "10.0.0.1:2", can be reached from other machines; it ${HEADS}, and ${FLOODS}: write engine = "wire"`,
    ],
  },
];

for (const { name, listeners, warnings } of CASES) {
  Deno.test(`loadConfig() warns of serve that others can reach: ${name}`, async () => {
    const loaded = await load(listeners.join("") + ROUTE, EVERYTHING_WORKS);
    assertEquals(loaded.warnings.map((issue) => formatIssue("config.toml", issue)), warnings);
  });
}
