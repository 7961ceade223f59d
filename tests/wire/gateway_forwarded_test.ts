/**
 * Who the client is, as a backend hears it: X-Forwarded-* and Forwarded in every mode, from a peer that is trusted
 * (the IPv6 loopback address) and from one that is not and forges.
 */

import { assertEquals } from "../support/assert.ts";
import type { Field } from "../support/http_message.ts";
import { ENGINES, Gateway, requestFor } from "../support/gateway_stage.ts";

type Mode = "x-forwarded" | "rfc7239" | "both" | "off";
type Forwarded = Readonly<Record<string, string>>;

const NAMES = [
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-real-ip",
  // Others of the family, and how CGI and its kind would read it as well.
  "x-forwarded-user",
  "x-forwarded-prefix",
  "x_forwarded_for",
  "x-forwarded_proto",
  "x_forwarded_user",
  "x_real_ip",
  "x_request_id",
  "content_length",
  "transfer_encoding",
];

const X_CLIENT = { "x-forwarded-for": "127.0.0.1", "x-forwarded-host": "plain.test", "x-forwarded-proto": "http" };
const F_CLIENT = { forwarded: "for=127.0.0.1;host=plain.test;proto=http" };
const X_PEER = { "x-forwarded-for": "::1", "x-forwarded-host": "plain.test", "x-forwarded-proto": "http" };
const F_OWN = `for="[::1]";host=plain.test;proto=http`;

/** The whole family, as a client that wants to be somebody else would send it. */
const FAMILY = [
  "X-Forwarded-For: 10.9.9.9, 192.0.2.7",
  "X-Forwarded-Proto: https",
  "X-Forwarded-Host: shop.example",
  "X-Forwarded-Port: 443",
  "X-Real-IP: 192.0.2.7",
  "Forwarded: for=192.0.2.8;proto=https;host=other.example",
];
const OTHERS = ["X-Forwarded-User: root", "X-FORWARDED-Prefix: /admin"];
const LOOKALIKES = [
  "X_Forwarded_For: 192.0.2.7",
  "x-forwarded_proto: https",
  "X_FORWARDED_USER: root",
  "X_Real_IP: 192.0.2.7",
  "X_Request_Id: chosen",
  "Content_Length: 4",
  "Transfer_Encoding: chunked",
];
const SAID = { "x-forwarded-port": "443", "x-real-ip": "192.0.2.7" };
const APPENDED = {
  "x-forwarded-for": "10.9.9.9, 192.0.2.7, ::1",
  "x-forwarded-host": "shop.example",
  "x-forwarded-proto": "https",
};
const F_APPENDED = { forwarded: `for=192.0.2.8;proto=https;host=other.example, ${F_OWN}` };

interface Row {
  readonly name: string;
  readonly from: "stranger" | "trusted";
  readonly lines: readonly string[];
  readonly expected: Readonly<Record<Mode, Forwarded>>;
}

const ROWS: readonly Row[] = [
  {
    name: "a stranger that says nothing",
    from: "stranger",
    lines: [],
    expected: { "x-forwarded": X_CLIENT, rfc7239: F_CLIENT, both: { ...X_CLIENT, ...F_CLIENT }, off: {} },
  },
  {
    name: "a stranger that forges the whole family",
    from: "stranger",
    lines: FAMILY,
    expected: { "x-forwarded": X_CLIENT, rfc7239: F_CLIENT, both: { ...X_CLIENT, ...F_CLIENT }, off: {} },
  },
  {
    name: "a stranger that forges and names the family in Connection",
    from: "stranger",
    lines: [...FAMILY, "Connection: x-forwarded-for, forwarded, x-real-ip, x-forwarded-host"],
    expected: { "x-forwarded": X_CLIENT, rfc7239: F_CLIENT, both: { ...X_CLIENT, ...F_CLIENT }, off: {} },
  },
  {
    name: "a stranger that forges what is like the family",
    from: "stranger",
    lines: [...OTHERS, ...LOOKALIKES],
    expected: { "x-forwarded": X_CLIENT, rfc7239: F_CLIENT, both: { ...X_CLIENT, ...F_CLIENT }, off: {} },
  },
  {
    name: "a trusted proxy's word on more than we know, and not what it let pass of a client's forgery",
    from: "trusted",
    lines: [...OTHERS, ...LOOKALIKES],
    expected: {
      "x-forwarded": { ...X_PEER, "x-forwarded-user": "root", "x-forwarded-prefix": "/admin" },
      rfc7239: { forwarded: F_OWN, "x-forwarded-user": "root", "x-forwarded-prefix": "/admin" },
      both: { ...X_PEER, forwarded: F_OWN, "x-forwarded-user": "root", "x-forwarded-prefix": "/admin" },
      off: { "x-forwarded-user": "root", "x-forwarded-prefix": "/admin" },
    },
  },
  {
    name: "a trusted proxy that says nothing",
    from: "trusted",
    lines: [],
    expected: { "x-forwarded": X_PEER, rfc7239: { forwarded: F_OWN }, both: { ...X_PEER, forwarded: F_OWN }, off: {} },
  },
  {
    name: "a trusted proxy's family is appended to",
    from: "trusted",
    lines: FAMILY,
    expected: {
      "x-forwarded": { ...APPENDED, ...SAID },
      rfc7239: { ...F_APPENDED, ...SAID },
      both: { ...APPENDED, ...F_APPENDED, ...SAID },
      off: {
        ...SAID,
        forwarded: "for=192.0.2.8;proto=https;host=other.example",
        "x-forwarded-for": "10.9.9.9, 192.0.2.7",
        "x-forwarded-host": "shop.example",
        "x-forwarded-proto": "https",
      },
    },
  },
  {
    name: "a trusted proxy's chain in the other spelling is carried over (RFC 7239 §7.4)",
    from: "trusted",
    lines: [`Forwarded: for=192.0.2.7, for="[2001:db8::1]:9"`],
    expected: {
      "x-forwarded": { ...X_PEER, "x-forwarded-for": "192.0.2.7, 2001:db8::1, ::1" },
      rfc7239: { forwarded: `for=192.0.2.7, for="[2001:db8::1]:9", ${F_OWN}` },
      both: {
        ...X_PEER,
        "x-forwarded-for": "192.0.2.7, 2001:db8::1, ::1",
        forwarded: `for=192.0.2.7, for="[2001:db8::1]:9", ${F_OWN}`,
      },
      off: { forwarded: `for=192.0.2.7, for="[2001:db8::1]:9"` },
    },
  },
  {
    name: "several lines of a trusted proxy are one list",
    from: "trusted",
    lines: ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2"],
    expected: {
      "x-forwarded": { ...X_PEER, "x-forwarded-for": "192.0.2.1, 192.0.2.2, ::1" },
      rfc7239: { forwarded: `for=192.0.2.1, for=192.0.2.2, ${F_OWN}` },
      both: {
        ...X_PEER,
        "x-forwarded-for": "192.0.2.1, 192.0.2.2, ::1",
        forwarded: `for=192.0.2.1, for=192.0.2.2, ${F_OWN}`,
      },
      off: { "x-forwarded-for": "192.0.2.1, 192.0.2.2" },
    },
  },
];

for (const mode of ["x-forwarded", "rfc7239", "both", "off"] as const) {
  for (const engine of ENGINES) {
    Deno.test(`${engine}: forwarded = ${mode}`, async (test) => {
      await using gateway = await Gateway.start({
        engine,
        sites: [{ name: "plain" }],
        server: `forwarded = "${mode}"\ntrusted_proxies = ["::1"]`,
        listeners: { stranger: "", trusted: `address = "[::1]:0"` },
      });
      for (const { name, from, lines, expected } of ROWS) {
        await test.step(name, async () => {
          const response = await gateway.send(requestFor("plain", ...lines), from);
          assertEquals(response.status, 200, response.text);
          const fields = merged(gateway.seen("plain").fields).filter(([field]) => NAMES.includes(field));
          assertEquals(fields.toSorted(([a], [b]) => a < b ? -1 : 1), sorted(expected[mode]));
        });
      }
    });
  }
}

/** Names in lower case, lines of one name joined: wire passes both as they came. */
function merged(fields: readonly Field[]): [string, string][] {
  const values = new Map<string, string[]>();
  for (const [name, value] of fields) values.set(name.toLowerCase(), [...values.get(name.toLowerCase()) ?? [], value]);
  return [...values].map(([name, lines]) => [name, lines.join(", ")]);
}

function sorted(fields: Forwarded): [string, string][] {
  return Object.entries(fields).toSorted(([a], [b]) => a < b ? -1 : 1);
}
