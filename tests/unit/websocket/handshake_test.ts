import { assertEquals, assertThrows } from "@std/assert";
import { ProxyError } from "../../../lib/base/errors.ts";
import {
  acceptOf,
  type HandshakeResponse,
  parseProtocols,
  PROTOCOLS_MAX,
  validateHandshake,
  validKey,
} from "../../../lib/websocket/handshake.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const OFFER = { accept: ACCEPT, protocols: ["chat", "v2.chat"] };
const GOOD: HandshakeResponse = {
  status: 101,
  connection: "Upgrade",
  upgrade: "websocket",
  accept: ACCEPT,
  protocol: null,
  extensions: null,
};

Deno.test("parseProtocols() takes no more than its bound", () => {
  const names = (count: number) => Array.from({ length: count }, (_, index) => `v${index}`);
  assertEquals(parseProtocols(names(PROTOCOLS_MAX).join(", ")), names(PROTOCOLS_MAX));
  assertEquals(parseProtocols(names(PROTOCOLS_MAX + 1).join(", ")), null);
});

Deno.test("acceptOf() answers RFC 6455's example", async () => assertEquals(await acceptOf(KEY), ACCEPT));

const KEYS: Array<[key: string, expected: boolean]> = [
  [KEY, true],
  ["AAAAAAAAAAAAAAAAAAAAAA==", true],
  ["", false],
  ["AAAAAAAAAAAAAAAAAAAAAB==", false],
  ["AAAAAAAAAAAAAAAAAAAAAA", false],
  ["AAAAAAAAAAAAAAAAAAAAAAA=", false],
  ["AAAAAAAAAAAAAAAAAAAA-A==", false],
];

for (const [key, expected] of KEYS) {
  Deno.test(`validKey() says ${expected} for "${key}"`, () => assertEquals(validKey(key), expected));
}

const PROTOCOLS: Array<[value: string, expected: string[] | null]> = [
  ["chat", ["chat"]],
  ["v2.chat , chat,", ["v2.chat", "chat"]],
  ["chat, chat", null],
  ["a b", null],
  ["a,\u00a0b", null],
  ["", []],
];

for (const [value, expected] of PROTOCOLS) {
  Deno.test(`parseProtocols() reads "${value}"`, () => assertEquals(parseProtocols(value), expected));
}

const ACCEPTED: Array<[name: string, change: Partial<HandshakeResponse>, protocol: string]> = [
  ["the plain answer", {}, ""],
  ["any case", { upgrade: "WebSocket", connection: "keep-alive, upgrade" }, ""],
  ["an offered protocol", { protocol: "v2.chat" }, "v2.chat"],
];

for (const [name, change, protocol] of ACCEPTED) {
  Deno.test(`validateHandshake() takes ${name}`, () => {
    assertEquals(validateHandshake({ ...GOOD, ...change }, OFFER), protocol);
  });
}

const REFUSED: Array<[name: string, change: Partial<HandshakeResponse>]> = [
  ["status 200", { status: 200 }],
  ["a missing Upgrade", { upgrade: null }],
  ["another Upgrade", { upgrade: "h2c" }],
  ["a list in Upgrade", { upgrade: "websocket, h2c" }],
  ["a missing Connection", { connection: null }],
  ["a Connection without upgrade", { connection: "keep-alive" }],
  ["a missing accept", { accept: null }],
  ["another accept", { accept: ACCEPT.toLowerCase() }],
  ["an accept twice", { accept: `${ACCEPT}, ${ACCEPT}` }],
  ["an extension", { extensions: "permessage-deflate" }],
  ["an empty extension list", { extensions: "" }],
  ["a protocol that was not offered", { protocol: "other" }],
  ["a protocol in another case", { protocol: "Chat" }],
  ["two protocols", { protocol: "chat, v2.chat" }],
  ["an empty protocol", { protocol: "" }],
];

for (const [name, change] of REFUSED) {
  Deno.test(`validateHandshake() refuses ${name}`, () => {
    const error = assertThrows(() => validateHandshake({ ...GOOD, ...change }, OFFER), ProxyError);
    assertEquals(error.code, "upgrade_failed");
  });
}

Deno.test("validateHandshake() refuses a protocol when none was offered", () => {
  assertThrows(() => validateHandshake({ ...GOOD, protocol: "chat" }, { accept: ACCEPT, protocols: [] }), ProxyError);
});
