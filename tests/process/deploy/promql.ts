/** What a PromQL expression asks for: not its grammar, which is promtool's business, but its names. */

import type { ExportedMetric } from "./exported_metrics.ts";

export interface MetricUse {
  readonly name: string;
  /** Labels in braces. */
  readonly labels: readonly string[];
  /** The function that it is handed to with a range, `rate` or `increase`; "" for none. */
  readonly rangeFunction: string;
}

export interface ExpressionUse {
  readonly metrics: readonly MetricUse[];
  /** Labels of `by`, `on` and their like. */
  readonly grouped: readonly string[];
}

const WORDS: ReadonlySet<string> = new Set(["and", "or", "unless", "bool", "offset"]);
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)/g;
const USE = /(?<![\w.])(?:(\w+)\s*\(\s*)?([a-zA-Z_:][\w:]*)(?![\w:]*\s*\()\s*(?:\{([^}]*)\})?(\s*\[[^\]]*\])?/g;

/** Labels that Prometheus puts on what it scrapes. */
const SCRAPED: readonly string[] = ["job", "instance"];

/** @throws {SyntaxError} When brackets do not match. */
export function usesOf(expression: string): ExpressionUse {
  const bare = expression.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  checkBrackets(bare);
  const grouped: string[] = [];
  const flat = bare.replace(GROUPING, (_, list: string) => {
    grouped.push(...list.split(",").map((label) => label.trim()).filter((label) => label !== ""));
    return " ";
  });
  const metrics: MetricUse[] = [];
  for (const [, call, name, matchers, range] of flat.matchAll(USE)) {
    if (WORDS.has(name)) continue;
    const labels = [...(matchers ?? "").matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label);
    metrics.push({ name, labels, rangeFunction: range === undefined ? "" : call ?? "" });
  }
  return { metrics, grouped };
}

function checkBrackets(text: string): void {
  const open: string[] = [];
  for (const character of text) {
    if ("([{".includes(character)) open.push(")]}"["([{".indexOf(character)]);
    else if (")]}".includes(character) && open.pop() !== character) {
      throw new SyntaxError(`unexpected "${character}" in ${text}`);
    }
  }
  if (open.length > 0) throw new SyntaxError(`missing "${open.at(-1)}" in ${text}`);
}

/** @returns What is wrong with an expression, given what is exported; empty when nothing is. */
export function faultsOf(expression: string, exported: Readonly<Record<string, ExportedMetric>>): string[] {
  const { metrics, grouped } = usesOf(expression);
  const faults: string[] = [];
  const known = new Set(SCRAPED);
  for (const { name, labels, rangeFunction } of metrics) {
    if (name === "up") continue;
    const base = name.replace(/_(bucket|sum|count)$/, "");
    const isSeries = exported[base]?.type === "histogram" && base !== name;
    const metric = isSeries ? exported[base] : exported[name];
    if (metric === undefined || (metric.type === "histogram" && !isSeries)) {
      faults.push(`no series "${name}"`);
      continue;
    }
    const has = [...metric.labels, ...SCRAPED, ...(name.endsWith("_bucket") ? ["le"] : [])];
    for (const label of has) known.add(label);
    faults.push(...labels.filter((label) => !has.includes(label)).map((label) => `${name} has no label "${label}"`));
    const isCounter = metric.type !== "gauge";
    if (isCounter !== ["rate", "increase"].includes(rangeFunction)) {
      faults.push(`${name} is a ${metric.type}: ${isCounter ? "needs" : "has no use for"} rate or increase`);
    }
  }
  if (metrics.length === 0) faults.push("asks for nothing");
  faults.push(...grouped.filter((label) => !known.has(label)).map((label) => `nothing here has a label "${label}"`));
  return faults;
}
