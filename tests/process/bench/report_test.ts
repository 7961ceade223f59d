/** Reports and pictures of the bench, from results that are made up. */

import { reportText, rowsOf, workloadText } from "../../../bench/load/report.ts";
import type { Results, Sample, WorkloadResults } from "../../../bench/load/results.ts";
import { COLUMNS } from "../../../bench/load/workload.ts";
import { picture } from "../../../bench/picture.ts";
import { assertEquals, assertStringIncludes, assertThrows } from "../../support/assert.ts";

const sample = (contender: string, round: number, cpuMicrosPerRequest: number, fault = ""): Sample => ({
  contender,
  round,
  values: fault === "" ? { cpuMicrosPerRequest, p99Ms: NaN } : {},
  fault,
});

const SMALL: WorkloadResults = {
  name: "small",
  title: "GET & more.",
  columns: [COLUMNS.cpuPerRequest, COLUMNS.p99],
  missing: "",
  samples: [
    sample("sluice-wire", 1, 30),
    sample("nginx", 1, 20),
    sample("caddy", 1, 0, "3 requests were not\nanswered"),
    sample("caddy", 2, 5),
    sample("nginx", 2, 30),
    sample("sluice-wire", 2, 20),
    sample("haproxy", 1, 18),
  ],
};

const RESULTS: Results = {
  conditions: {
    commit: "abc1234",
    date: "2026-01-02",
    command: "deno run -A bench/load/main.ts",
    machine: "a machine",
    loadAverage: "0.00 0.00 0.00",
    backend: "nginx",
    generators: ["wrk", "h2load"],
    versions: { nginx: "1.2" },
    skipped: { "sluice-wire-8": "not supported by this commit" },
  },
  workloads: [SMALL, { ...SMALL, name: "tls-h1", missing: "h2load is not installed", samples: [] }],
};

Deno.test("rowsOf() orders by the median of the first column, without who has a void measurement", () => {
  const rows = rowsOf(SMALL).map(({ contender, medians }) => [contender, medians[0]]);
  assertEquals(rows, [["haproxy", 18], ["sluice-wire", 25], ["nginx", 25]]);
});

Deno.test("workloadText() has ratios, raw values, and says what is void", () => {
  const text = workloadText(SMALL);
  assertStringIncludes(text, "| contender | CPU µs / request | ÷ nginx | p99 ms |");
  assertStringIncludes(text, "| haproxy | 18.0 | 0.72 | – |");
  assertStringIncludes(text, "| sluice-wire | 30.0 20.0 | – – |");
  assertStringIncludes(text, "- void: caddy, round 1: 3 requests were not answered");
});

Deno.test("reportText() says under which conditions, and what was left out", () => {
  const text = reportText(RESULTS);
  assertStringIncludes(text, "- left out, sluice-wire-8: not supported by this commit\n");
  assertStringIncludes(text, "## tls-h1\n\nGET & more.\n\nNot measured: h2load is not installed.\n");
});

Deno.test("picture() draws the medians, the longest bar to the end", () => {
  const svg = picture(RESULTS, "small");
  const widths = [...svg.matchAll(/<rect class="(bar[^"]*)".* width="([\d.]+)"/g)].map((
    [, name, width],
  ) => [name, width]);
  assertEquals(widths, [["bar", "360.0"], ["bar ours", "500.0"], ["bar", "500.0"]]);
  assertStringIncludes(svg, "GET &amp; more.");
  assertStringIncludes(svg, "prefers-color-scheme: dark");
});

Deno.test("picture() throws for a workload that has no results", () => {
  assertThrows(() => picture(RESULTS, "tls-h1"), RangeError, 'No results of the workload "tls-h1"');
});
