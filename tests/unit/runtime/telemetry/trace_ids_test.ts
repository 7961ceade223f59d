import { assertEquals, assertMatch } from "../../../support/assert.ts";
import { TraceIds } from "../../../../lib/runtime/telemetry/trace_ids.ts";

Deno.test("TraceIds are distinct, of the right length, and never all zero", () => {
  const ids = new TraceIds();
  const seen = new Set<string>();
  for (let index = 0; index < 500; index++) {
    const [trace, span] = [ids.traceId(), ids.spanId()];
    assertMatch(trace, /^(?!00)[0-9a-f]{32}$/);
    assertMatch(span, /^(?!00)[0-9a-f]{16}$/);
    seen.add(trace).add(span);
  }
  assertEquals(seen.size, 1000);
});
