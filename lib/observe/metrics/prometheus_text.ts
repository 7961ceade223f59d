/** The text exposition format of Prometheus, version 0.0.4, written family by family. */

import { BOUNDS_MS, BUCKETS } from "./histogram.ts";
import { type MetricName, METRICS } from "./table.ts";

export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

const LE: readonly string[] = [...BOUNDS_MS.map((bound) => String(bound / 1000)), "+Inf"];

export class PrometheusText {
  readonly #parts: string[] = [];
  #name: MetricName | "" = "";

  /** What follows is of this metric. Once each, and without a sample if there is none. */
  family(name: MetricName): void {
    const { type, help } = METRICS[name];
    this.#name = name;
    this.#parts.push(
      `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${type}\n`,
    );
  }

  /** @param labels As `labelText` gives them; "" for none. */
  sample(labels: string, value: number): void {
    this.#parts.push(`${this.#name}${labels === "" ? "" : `{${labels}}`} ${numberText(value)}\n`);
  }

  /** @param numbers `HISTOGRAM_WIDTH` of them: counts by bucket, then the sum in ms. */
  histogram(labels: string, numbers: Float64Array): void {
    const before = labels === "" ? "" : `${labels},`;
    let count = 0;
    let text = "";
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      count += numbers[bucket];
      text += `${this.#name}_bucket{${before}le="${LE[bucket]}"} ${count}\n`;
    }
    const braced = labels === "" ? "" : `{${labels}}`;
    text += `${this.#name}_sum${braced} ${numberText(numbers[BUCKETS] / 1000)}\n`;
    this.#parts.push(`${text}${this.#name}_count${braced} ${count}\n`);
  }

  toString(): string {
    return this.#parts.join("");
  }
}

/** `route="api",upstream="web"`. */
export function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, index) => `${name}="${escaped(values[index])}"`).join(",");
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
