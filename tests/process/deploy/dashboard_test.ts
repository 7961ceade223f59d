/** deploy/grafana/dashboard.json: laid out without overlaps, and every expression asks for what is exported. */

import { assert, assertEquals } from "../../support/assert.ts";
import { EXPORTED } from "./exported_metrics.ts";
import { faultsOf } from "./promql.ts";

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly datasource: { readonly uid: string };
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: Place;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly Target[];
}

interface Variable {
  readonly name: string;
  readonly type: string;
  readonly definition?: string;
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
}

/** Columns of Grafana's grid. */
const COLUMNS = 24;
const DATASOURCE = "${datasource}";
const TEXT = Deno.readTextFileSync(new URL("../../../deploy/grafana/dashboard.json", import.meta.url));
const { panels, templating }: Dashboard = JSON.parse(TEXT);
const CHARTS = panels.filter(({ type }) => type !== "row");

Deno.test("dashboard: panels have ids and titles of their own", () => {
  for (const values of [panels.map(({ id }) => id), panels.map(({ title }) => title)]) {
    assertEquals(new Set<unknown>(values).size, values.length);
  }
});

Deno.test("dashboard: panels are inside the grid and do not overlap", () => {
  const overlaps: string[] = [];
  for (const [position, { title, gridPos: a }] of panels.entries()) {
    assert(a.x >= 0 && a.w > 0 && a.h > 0 && a.x + a.w <= COLUMNS, title);
    for (const { title: other, gridPos: b } of panels.slice(position + 1)) {
      if (a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h) overlaps.push(`${title}, ${other}`);
    }
  }
  assertEquals(overlaps, []);
});

Deno.test("dashboard: no data source but the one that is chosen, no variable that is not declared", () => {
  const declared = templating.list.map(({ name }) => name);
  assertEquals(templating.list.filter(({ type }) => type === "datasource").map(({ name }) => name), ["datasource"]);
  const used = [...TEXT.matchAll(/\$\{?(\w+)\}?/g)].map(([, name]) => name).filter((name) => !name.startsWith("__"));
  assertEquals(used.filter((name) => !declared.includes(name)), []);
  assertEquals(declared.filter((name) => !used.includes(name)), []);
  for (const { title, datasource, targets } of CHARTS) {
    assertEquals(
      [datasource, ...targets!.map((target) => target.datasource)].filter((d) => d?.uid !== DATASOURCE),
      [],
      title,
    );
  }
});

Deno.test("dashboard: variables are made from labels that exist", () => {
  for (const { name, definition } of templating.list.filter(({ type }) => type === "query")) {
    const [, expr, label] = /^label_values\((.*), (\w+)\)$/.exec(definition!)!;
    assertEquals(
      faultsOf(`sum by (${label}) (${expr})`, EXPORTED).filter((fault) => !/needs rate/.test(fault)),
      [],
      name,
    );
  }
});

for (const { title, targets = [] } of CHARTS) {
  Deno.test(`dashboard: "${title}" asks for what is exported`, () => {
    assert(targets.length > 0);
    assertEquals(new Set(targets.map(({ refId }) => refId)).size, targets.length);
    for (const { expr } of targets) assertEquals(faultsOf(expr, EXPORTED), [], expr);
  });
}
