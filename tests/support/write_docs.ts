/** `deno task docs`: writes the pages that are made from tables in the code. */

import { renderReference } from "../../lib/config/schema/reference.ts";
import { renderMetricsReference } from "../../lib/observe/metrics/table.ts";

const DOCS = new URL("../../docs/", import.meta.url);

Deno.writeTextFileSync(new URL("configuration.md", DOCS), renderReference());
Deno.writeTextFileSync(new URL("metrics.md", DOCS), renderMetricsReference());
