import { assertEquals } from "@std/assert";
import { ERROR_TRAITS, type ErrorCode } from "../../../lib/base/errors.ts";
import {
  compileRetry,
  RETRY_VERDICTS,
  type RetryFacts,
  retryVerdict,
  type RetryVerdictName,
} from "../../../lib/resilience/retry_policy.ts";

function verdictName(verdict: number): RetryVerdictName | undefined {
  return (Object.keys(RETRY_VERDICTS) as RetryVerdictName[]).find((name) => RETRY_VERDICTS[name] === verdict);
}

const ALL_ON = compileRetry({
  attempts: 3,
  on: { connect: true, reset: true, timeout: true, statuses: [502, 503, 504] },
  methods: ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"],
});
const ALL_OFF = compileRetry({
  attempts: 3,
  on: { connect: false, reset: false, timeout: false, statuses: [] },
  methods: ["GET"],
});
const FACTS: RetryFacts = {
  code: "connection_reset",
  status: 0,
  method: "GET",
  hasIdempotencyKey: false,
  bodyIntact: true,
  headSentDown: false,
  attempts: 1,
  budgetAvailable: true,
  staleConnection: false,
  staleRetried: false,
};

/** Written out by hand, not derived from the traits: a changed trait must show up here. */
const ANY_METHOD: ErrorCode[] = [
  "connect_refused",
  "connect_unreachable",
  "connect_failed",
  "connect_timeout",
  "dns_failed",
  "tls_certificate_invalid",
  "tls_failed",
];
const REPEATABLE_ONLY: ErrorCode[] = ["connection_reset", "response_timeout"];

const METHODS = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH", "PROPFIND", "get"];
const REPEATABLE = METHODS.slice(0, 6);

function expectedVerdict(code: ErrorCode, isRepeatable: boolean, bodyIntact: boolean): RetryVerdictName {
  const isAny = ANY_METHOD.includes(code);
  if (!isAny && !REPEATABLE_ONLY.includes(code)) return "no_not_retryable";
  if (!bodyIntact) return "no_body";
  return isAny || isRepeatable ? "yes" : "no_method";
}

for (const code of Object.keys(ERROR_TRAITS) as ErrorCode[]) {
  for (const bodyIntact of [true, false]) {
    Deno.test(`retryVerdict() ${code} with the body ${bodyIntact ? "intact" : "consumed"}, all methods`, () => {
      for (const method of METHODS) {
        for (const hasIdempotencyKey of [false, true]) {
          const facts = { ...FACTS, code, method, hasIdempotencyKey, bodyIntact };
          const isRepeatable = hasIdempotencyKey || REPEATABLE.includes(method);
          const expected = expectedVerdict(code, isRepeatable, bodyIntact);
          assertEquals([method, verdictName(retryVerdict(facts, ALL_ON))], [method, expected]);
          const sent = { ...facts, headSentDown: true, staleConnection: true };
          assertEquals([method, verdictName(retryVerdict(sent, ALL_ON))], [method, "no_head_sent"]);
          const off = verdictName(retryVerdict(facts, ALL_OFF));
          assertEquals(off === "yes", false, `${method} is retried though nothing is configured`);
        }
      }
    });
  }
}

interface Row {
  readonly name: string;
  readonly facts: Partial<RetryFacts>;
  readonly settings?: typeof ALL_ON;
  readonly expected: RetryVerdictName;
}

const STALE: Partial<RetryFacts> = { staleConnection: true };
const ROWS: Row[] = [
  { name: "grants the last attempt", facts: { attempts: 2 }, expected: "yes" },
  { name: "refuses beyond the attempts", facts: { attempts: 3 }, expected: "no_attempts" },
  { name: "refuses without budget", facts: { budgetAvailable: false }, expected: "no_budget" },
  { name: "retries a configured status", facts: { code: "", status: 503 }, expected: "yes" },
  { name: "leaves other statuses alone", facts: { code: "", status: 500 }, expected: "no_not_configured" },
  { name: "leaves 200 alone", facts: { code: "", status: 200 }, expected: "no_not_configured" },
  { name: "a status of a POST", facts: { code: "", status: 503, method: "POST" }, expected: "no_method" },
  {
    name: "a status of a POST with Idempotency-Key",
    facts: { code: "", status: 503, method: "POST", hasIdempotencyKey: true },
    expected: "yes",
  },
  {
    name: "a status after the head went down",
    facts: { code: "", status: 503, headSentDown: true },
    expected: "no_head_sent",
  },
  { name: "a status with the body consumed", facts: { code: "", status: 503, bodyIntact: false }, expected: "no_body" },
  { name: "a code beats a status", facts: { code: "response_invalid", status: 503 }, expected: "no_not_retryable" },
  { name: "a stale connection is not counted", facts: STALE, expected: "yes_uncounted" },
  { name: "… beyond the attempts", facts: { ...STALE, attempts: 3 }, expected: "yes_uncounted" },
  { name: "… without budget", facts: { ...STALE, budgetAvailable: false }, expected: "yes_uncounted" },
  { name: "… with reset not configured", facts: STALE, settings: ALL_OFF, expected: "yes_uncounted" },
  { name: "… once only", facts: { ...STALE, staleRetried: true }, expected: "yes" },
  { name: "… once only, then counted", facts: { ...STALE, staleRetried: true, attempts: 3 }, expected: "no_attempts" },
  { name: "… but not for a POST", facts: { ...STALE, method: "POST" }, expected: "no_method" },
  { name: "… but not with the body consumed", facts: { ...STALE, bodyIntact: false }, expected: "no_body" },
  {
    name: "… but not after a timeout",
    facts: { ...STALE, code: "response_timeout", attempts: 3 },
    expected: "no_attempts",
  },
  {
    name: "… but not for half a response",
    facts: { ...STALE, code: "response_incomplete" },
    expected: "no_not_retryable",
  },
];

for (const { name, facts, settings, expected } of ROWS) {
  Deno.test(`retryVerdict() ${name}`, () => {
    assertEquals(verdictName(retryVerdict({ ...FACTS, ...facts }, settings ?? ALL_ON)), expected);
  });
}

for (const on of ["connect", "reset", "timeout"] as const) {
  Deno.test(`compileRetry() on ${on} retries that category only`, () => {
    const none = { connect: false, reset: false, timeout: false, statuses: [] };
    const settings = compileRetry({ attempts: 2, methods: ["GET"], on: { ...none, [on]: true } });
    const codes = { connect: "connect_timeout", reset: "connection_reset", timeout: "response_timeout" } as const;
    for (const other of ["connect", "reset", "timeout"] as const) {
      const verdict = retryVerdict({ ...FACTS, code: codes[other] }, settings);
      assertEquals([other, verdictName(verdict)], [other, other === on ? "yes" : "no_not_configured"]);
    }
  });
}

Deno.test("RETRY_VERDICTS is positive exactly for those that try again", () => {
  for (const [name, verdict] of Object.entries(RETRY_VERDICTS)) {
    assertEquals([name, verdict > 0], [name, name.startsWith("yes")]);
  }
});
