/** JSON Schema (2020-12) of the configuration, for completion and checks in editors. Made from the description. */

import { DEFAULTS } from "../defaults.ts";
import { type Format, type FormatName, FORMATS } from "./formats.ts";
import { SCHEMA } from "./schema.ts";
import { ACTION_KEYS, ROUTE } from "./route.ts";
import type { KeySpec, TableSpec, TextSpec, ValueSpec } from "./spec.ts";
import { UNSUPPORTED } from "./unsupported.ts";

export type JsonSchema = { readonly [keyword: string]: unknown };

const DURATION = "(?=.)(?:\\d{1,6}d)?(?:\\d{1,7}h)?(?:\\d{1,9}m)?(?:\\d{1,10}s)?(?:\\d{1,12}ms)?";
const SIZE = "\\d{1,15}(?:B|KiB|MiB|GiB|TiB|KB|kB|MB|GB|TB)";

/** What an environment variable will hold cannot be judged in an editor. */
const INTERPOLATED = "\\$\\{";

/** The whole document's schema. */
export function jsonSchema(): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "sluice configuration",
    ...tableSchema(SCHEMA, ""),
  };
}

function tableSchema(spec: TableSpec, schemaPath: string): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  const required: string[] = [];
  for (const [name, key] of Object.entries(spec.keys)) {
    const path = schemaPath === "" ? name : `${schemaPath}.${name}`;
    properties[name] = keySchema(key, path);
    if (key.presence === "required") required.push(name);
  }
  const schema: Record<string, unknown> = { type: "object", properties, additionalProperties: false };
  if (required.length > 0) schema.required = required;
  if (spec === (ROUTE as TableSpec)) schema.oneOf = ACTION_KEYS.map((name) => ({ required: [name] }));
  return schema;
}

function keySchema(key: KeySpec, schemaPath: string): JsonSchema {
  const notes = [key.doc];
  if (key.isWireOnly) notes.push('Only with engine = "wire".');
  if (UNSUPPORTED.has(schemaPath)) notes.push("Not supported yet.");
  const schema: Record<string, unknown> = { description: notes.join(" "), ...valueSchema(key.spec, schemaPath) };
  if (key.default !== "" && !key.isSecret) schema.default = DEFAULTS[key.default];
  return schema;
}

function valueSchema(spec: ValueSpec, schemaPath: string): JsonSchema {
  switch (spec.kind) {
    case "text":
      return textSchema(spec);
    case "flag":
      return { type: "boolean" };
    case "number": {
      const number = { type: spec.isWhole ? "integer" : "number", minimum: spec.min, maximum: spec.max };
      return spec.word === "" ? number : { anyOf: [number, { const: spec.word }] };
    }
    case "duration":
      return { type: "string", pattern: orInterpolated(`^${DURATION}$`) };
    case "size":
      return { type: "string", pattern: orInterpolated(`^${SIZE}$`) };
    case "choice":
      return { anyOf: [{ enum: spec.values }, { type: "string", pattern: INTERPOLATED }] };
    case "list": {
      const items = valueSchema(spec.of, `${schemaPath}[]`);
      const list: Record<string, unknown> = { type: "array", items };
      if (spec.lengthMin > 0) list.minItems = spec.lengthMin;
      if (spec.isSet) list.uniqueItems = true;
      return spec.takesOne ? { anyOf: [items, list] } : list;
    }
    case "pairs":
      return {
        type: "object",
        propertyNames: namesSchema(spec.names),
        additionalProperties: valueSchema({ kind: "text", format: spec.values, takesNumber: false }, schemaPath),
      };
    case "named":
      return {
        type: "object",
        propertyNames: namesSchema(spec.names),
        additionalProperties: tableSchema(spec.of, `${schemaPath}.*`),
      };
    case "table":
      return tableSchema(spec, schemaPath);
  }
}

function textSchema({ format, takesNumber }: TextSpec): JsonSchema {
  const { pattern }: Format = FORMATS[format];
  const text = pattern === "" ? { type: "string" } : { type: "string", pattern: orInterpolated(pattern) };
  return takesNumber ? { anyOf: [text, { type: "integer", minimum: 400, maximum: 599 }] } : text;
}

/** Keys are not completed from the environment. */
function namesSchema(format: FormatName): JsonSchema {
  const { pattern }: Format = FORMATS[format];
  return pattern === "" ? { type: "string" } : { type: "string", pattern };
}

function orInterpolated(pattern: string): string {
  return `(?:${pattern})|${INTERPOLATED}`;
}
