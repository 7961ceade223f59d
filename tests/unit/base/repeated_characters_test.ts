/**
 * What reads the values of fields does work in proportion to their length, whatever they are made of: 32 KiB of each
 * character, in each place. Eight times the text may take eight times as long, not sixty-four times.
 */

import { assert } from "../../support/assert.ts";
import { CidrSet } from "../../../lib/base/cidr.ts";
import { prefersJson } from "../../../lib/fields/accept.ts";
import { validAuthority } from "../../../lib/fields/authority.ts";
import { readCookie, withoutCookie } from "../../../lib/fields/cookies.ts";
import { ForwardedFields } from "../../../lib/fields/forwarded.ts";
import { clientAddress, parseForwarded } from "../../../lib/fields/forwarded_chain.ts";
import { parseConnection, teTrailers } from "../../../lib/fields/hop_by_hop.ts";
import { saneRequestId } from "../../../lib/observe/request_id.ts";
import { parseTraceparent, propagatedTracestate } from "../../../lib/observe/trace_context.ts";
import { retryAfterMs } from "../../../lib/resilience/retry_after.ts";
import { parseProtocols, validateHandshake, validKey } from "../../../lib/websocket/handshake.ts";

const LONG = 32 * 1024;
const SHORT = LONG / 8;
/** Linear is 8, quadratic 64. */
const GROWTH_MAX = 30;
/** What takes less than this at full length is no attack, however it grows. */
const NOTHING_MS = 5;
/** Others use the processor, too: the shortest of so many. */
const TRIES = 20;

const CHARACTERS: readonly string[] = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));
/** What parts things, also with something between. */
const MARKS = [...' \t,;="\\:-'];
const UNITS = [...CHARACTERS, ...MARKS.flatMap((mark) => [`a${mark}`, `${mark},`])];

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRUSTED = new CidrSet(["127.0.0.0/8", "::1/128"]);
const both = new ForwardedFields("both");
const none = { xForwardedFor: null, xForwardedProto: null, xForwardedHost: null, forwarded: null };
const peer = { ip: "127.0.0.1", isTrusted: true };
const answer = {
  status: 101,
  connection: "upgrade",
  upgrade: "websocket",
  accept: "",
  protocol: null,
  extensions: null,
};

interface Reader {
  readonly name: string;
  /** Before and behind the run: so that it stands in the middle of something good. */
  readonly around: ReadonlyArray<readonly [before: string, behind: string]>;
  readonly read: (text: string) => unknown;
}

const READERS: readonly Reader[] = [
  { name: "tracestate", around: [["a=1,b=", "c,d=2"], ["", ""]], read: propagatedTracestate },
  { name: "traceparent", around: [[TRACE.replace("00", "cc") + "-", ""], ["", ""]], read: parseTraceparent },
  { name: "Sec-WebSocket-Protocol", around: [["a, b", ", c"], ["", ""]], read: parseProtocols },
  { name: "Sec-WebSocket-Key", around: [["", "=="]], read: validKey },
  {
    name: "Accept",
    around: [["text/html, application/json;q=0.", ", */*"], ["", ""], ['a/b;c="', ""]],
    read: prefersJson,
  },
  { name: "Connection", around: [["close, a", "b"], ["", ""]], read: parseConnection },
  { name: "TE", around: [["", ", gzip"]], read: teTrailers },
  {
    name: "Cookie",
    around: [["a=", "; b=1"], ["b=1; ", ""]],
    read: (text) => [readCookie(text, "b"), withoutCookie(text, "b")],
  },
  { name: "Host", around: [["a", ":80"], ["[", "]"], ["a:", ""]], read: validAuthority },
  { name: "Forwarded", around: [["for=1.2.3.4;by=", ", for=::1"], ['for="', ""], ["", ""]], read: parseForwarded },
  {
    name: "Forwarded, passed on",
    around: [["for=1.2.3.4, for=", ""], ["", ", for=1.2.3.4"]],
    read: (forwarded) => both.emit(peer, "http", "a", { ...none, forwarded }, () => {}),
  },
  {
    name: "X-Forwarded-For",
    around: [["1.2.3.4, ", ", 127.0.0.1"], ["", ""]],
    read: (text) => clientAddress("127.0.0.1", text, null, TRUSTED),
  },
  {
    name: "X-Forwarded-For, passed on",
    around: [["1.2.3.4, ", ", 127.0.0.1"], ["", ""]],
    read: (xForwardedFor) => both.emit(peer, "http", "a", { ...none, xForwardedFor }, () => {}),
  },
  {
    name: "X-Forwarded-Host",
    around: [["a, ", "b"], ["", ""]],
    read: (text) => both.emit(peer, "http", "a", { ...none, xForwardedHost: text, xForwardedProto: text }, () => {}),
  },
  { name: "X-Request-Id", around: [["", ""]], read: saneRequestId },
  { name: "Retry-After", around: [["1", ""], ["Sun, ", ""]], read: (text) => retryAfterMs(text, 0, 1000) },
  {
    name: "a backend's Connection, Upgrade and protocol",
    around: [["upgrade, ", ""], ["", "websocket"]],
    read: (text) => {
      for (const part of [{ connection: text }, { upgrade: text }, { protocol: text }, { accept: text }]) {
        try {
          validateHandshake({ ...answer, ...part }, { accept: "", protocols: [] });
        } catch {
          // Whether it is good is not the question.
        }
      }
    },
  },
];

for (const { name, around, read } of READERS) {
  Deno.test(`${name}: work grows as the text does, whatever is repeated`, () => {
    for (const unit of UNITS) {
      for (const [before, behind] of around) {
        const textOf = (length: number) => before + unit.repeat(length / unit.length) + behind;
        const [short, long] = [textOf(SHORT), textOf(LONG)];
        assert(isLinear(() => read(short), () => read(long)), `${name}: ${JSON.stringify(unit)}`);
      }
    }
  });
}

Deno.test("a list of names that are all different costs no more", () => {
  const names = (length: number) => Array.from({ length: length / 5 }, (_, index) => index.toString(36)).join(", ");
  const [short, long] = [names(SHORT), names(LONG)];
  for (const { name, read } of READERS) assert(isLinear(() => read(short), () => read(long)), name);
});

function isLinear(short: () => unknown, long: () => unknown): boolean {
  let [shortMs, longMs] = [Infinity, Infinity];
  for (let attempt = 0; attempt < TRIES; attempt++) {
    longMs = Math.min(longMs, timeOf(long));
    if (longMs < NOTHING_MS) return true;
    shortMs = Math.min(shortMs, timeOf(short));
    if (longMs < GROWTH_MAX * shortMs) return true;
  }
  return false;
}

function timeOf(run: () => unknown): number {
  const beginMs = performance.now();
  run();
  return performance.now() - beginMs;
}
