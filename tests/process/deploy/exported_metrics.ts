/** What the exporter knows, for those who name metrics elsewhere. */

import { METRICS, type MetricSpec } from "../../../lib/observe/metrics/table.ts";

export type ExportedMetric = MetricSpec;

/** By name. */
export const EXPORTED: Readonly<Record<string, ExportedMetric>> = METRICS;
