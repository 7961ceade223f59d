import { assertEquals } from "@std/assert";
import { ERROR_TRAITS, type ErrorCode } from "../../../lib/base/errors.ts";
import {
  describeReason,
  type FailureCode,
  isBackendFault,
  isUnreachable,
  statusTable,
} from "../../../lib/health/reason.ts";

const UNREACHABLE: FailureCode[] = [
  "connect_refused",
  "connect_unreachable",
  "connect_failed",
  "connect_timeout",
  "dns_failed",
  "tls_certificate_invalid",
  "tls_failed",
];
const BAD_ANSWER: FailureCode[] = [
  "bad_status",
  "connection_reset",
  "response_timeout",
  "response_invalid",
  "response_framing_invalid",
  "response_head_too_large",
  "response_incomplete",
  "response_idle_timeout",
];

for (const code of [...Object.keys(ERROR_TRAITS) as ErrorCode[], "bad_status" as const]) {
  const isAway = UNREACHABLE.includes(code);
  const isFault = isAway || BAD_ANSWER.includes(code);
  Deno.test(`isBackendFault() ${code} is ${isFault}, isUnreachable() ${isAway}`, () => {
    assertEquals([isBackendFault(code), isUnreachable(code)], [isFault, isAway]);
  });
}

Deno.test("statusTable() holds the ranges, both ends included", () => {
  const table = statusTable([{ from: 502, to: 504 }, { from: 599, to: 599 }]);
  const statuses = [...table.keys()].filter((status) => table[status] === 1);
  assertEquals(statuses, [502, 503, 504, 599]);
});

Deno.test("describeReason() names code, count and cause", () => {
  assertEquals(
    describeReason({ cause: "traffic", code: "connect_refused", count: 5 }),
    "connect_refused × 5 (traffic)",
  );
  assertEquals(describeReason({ cause: "traffic", code: "trial_passed", count: 1 }), "trial_passed (traffic)");
  assertEquals(describeReason({ cause: "admin", code: "drain", count: 0 }), "drain (admin)");
});
