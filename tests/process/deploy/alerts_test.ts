/** deploy/prometheus: rules that ask for what is exported and say what to do; and promtool's verdict, where there is one. */

import { parse } from "yaml";
import { ERROR_TRAITS } from "../../../lib/base/errors.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { EXPORTED } from "./exported_metrics.ts";
import { faultsOf, usesOf } from "./promql.ts";

const FOLDER = new URL("../../../deploy/prometheus/", import.meta.url).pathname;

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook: string };
}

const RULES: readonly Rule[] = parse(Deno.readTextFileSync(`${FOLDER}alerts.yml`)).groups
  .flatMap((group: { rules: Rule[] }) => group.rules);
const CASES = Deno.readTextFileSync(`${FOLDER}alerts_test.yml`);

Deno.test("alerts have names of their own, and each is in a case", () => {
  const names = RULES.map(({ alert }) => alert);
  assertEquals(names.filter((name, position) => names.indexOf(name) !== position), []);
  assertEquals(names.filter((name) => !CASES.includes(`alertname="${name}"`)), []);
});

for (const { alert, expr, labels, annotations, ...rest } of RULES) {
  Deno.test(`alert ${alert} asks for what is exported, and says what to do`, () => {
    assertEquals(faultsOf(expr, EXPORTED), []);
    assert(["critical", "warning"].includes(labels.severity), labels.severity);
    assert(/^\d+[sm]$/.test(rest.for ?? "0s"), rest.for);
    for (const text of [annotations.summary, annotations.description, annotations.runbook]) assert(text.length > 30);
    const { metrics, grouped } = usesOf(expr);
    const known = ["job", "instance", ...grouped, ...metrics.flatMap(({ name }) => EXPORTED[name]?.labels ?? [])];
    const shown = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label);
    assertEquals(shown.filter((label) => !known.includes(label)), []);
    const codes = [...expr.matchAll(/reason=~?"([^"]*)"/g)].flatMap(([, list]) => list.split("|"));
    assertEquals(codes.filter((code) => !(code in ERROR_TRAITS)), [], "error codes");
  });
}

const FAULTS: ReadonlyArray<{ name: string; expr: string; fault: string }> = [
  { name: "a series that is not exported", expr: "sluice_requests > 1", fault: 'no series "sluice_requests"' },
  {
    name: "a histogram without a suffix",
    expr: "rate(sluice_queue_seconds[5m])",
    fault: 'no series "sluice_queue_seconds"',
  },
  {
    name: "a label that it does not have",
    expr: 'sluice_backend_up{backnd="b1"}',
    fault: 'sluice_backend_up has no label "backnd"',
  },
  {
    name: "grouping by what nothing has",
    expr: "sum by (rout) (sluice_plans_alive)",
    fault: 'nothing here has a label "rout"',
  },
  {
    name: "a counter as it is",
    expr: "sluice_reloads_total > 1",
    fault: "sluice_reloads_total is a counter: needs rate or increase",
  },
  {
    name: "the rate of a gauge",
    expr: "rate(sluice_plans_alive[5m])",
    fault: "sluice_plans_alive is a gauge: has no use for rate or increase",
  },
  { name: "no metric at all", expr: "vector(0)", fault: "asks for nothing" },
];
for (const { name, expr, fault } of FAULTS) {
  Deno.test(`faultsOf() sees ${name}`, () => assertEquals(faultsOf(expr, EXPORTED), [fault]));
}

Deno.test({
  name: "promtool takes the rules, and they fire when they should",
  ignore: !(await hasPromtool()), // of Debian's package prometheus, which nothing else needs
  async fn() {
    for (const args of [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]]) {
      const { code, stdout, stderr } = await new Deno.Command("promtool", { args, cwd: FOLDER }).output();
      assertEquals(code, 0, [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("\n"));
    }
  },
});

async function hasPromtool(): Promise<boolean> {
  try {
    return (await new Deno.Command("promtool", { args: ["--version"], stdout: "null", stderr: "null" }).output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
