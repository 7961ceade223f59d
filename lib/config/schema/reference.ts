/** The reference of the configuration in Markdown, made from the description: docs/configuration.md is its output. */

import { DEFAULTS, envNameOf } from "../defaults.ts";
import { innerTable } from "./env_defaults.ts";
import { FORMATS } from "./formats.ts";
import { SCHEMA } from "./schema.ts";
import type { KeySpec, TableSpec, ValueSpec } from "./spec.ts";
import { UNSUPPORTED } from "./unsupported.ts";

const INTRODUCTION = `# Configuration

<!-- Made from lib/config/schema/schema.ts and defaults.ts by \`deno task docs\`; do not edit. -->

One TOML file. \`sluice check\` reports every problem in it at once, with file and line; \`sluice check --effective\` prints
every value with where it came from; \`sluice schema\` prints a JSON schema for editors. Saving the file reloads it.

- Durations are texts: \`"250ms"\`, \`"2s"\`, \`"1m30s"\` (units d, h, m, s, ms). Sizes, too: \`"64KiB"\`, \`"10MB"\`. Bare
  numbers are refused, as their unit would be a guess.
- \`"\${NAME}"\` inside a text is the environment variable, an error when it is unset; \`"\${NAME:-default}"\` has a default,
  also taken when the variable is empty; \`"$\${"\` is a literal \`\${\`. What a variable holds is never shown: messages,
  logs, \`check --effective\`, \`plan\`, \`explain\`, the admin API and names made from it say \`\${NAME}\`.
- Paths are relative to the file's folder.
- A default that has a variable below can be moved for a whole installation: \`SLUICE_POOL_MAX_IDLE=128\`. The file wins
  over the environment, the environment over the built-in value.
- Keys marked † do not work yet: anything but their default is refused.
`;

/** Sections that stand under a name or in a list, as a user writes their headers. */
const HEADERS: Readonly<Record<string, string>> = {
  listeners: "[[listeners]]",
  upstreams: "[upstreams.NAME]",
  routes: "[[routes]]",
};

export function renderReference(): string {
  const parts = [INTRODUCTION];
  for (const [name, key] of Object.entries(SCHEMA.keys)) {
    const inner = innerTable(key.spec);
    if (inner !== null) {
      renderSection(HEADERS[name] ?? `[${name}]`, schemaPathOf(name, key), { key, table: inner }, parts);
    }
  }
  return parts.join("\n").trimEnd() + "\n";
}

interface Section {
  readonly key: KeySpec;
  readonly table: TableSpec;
}

function renderSection(header: string, schemaPath: string, { key, table }: Section, parts: string[]): void {
  const mark = UNSUPPORTED.has(schemaPath.replace(/\[\]$/, "")) ? " †" : "";
  parts.push(`## \`${header}\`${mark}\n`, `${key.doc}\n`);
  const rows = Object.entries(table.keys).filter(([, inner]) => !hasOwnSection(inner));
  if (rows.length > 0) {
    parts.push(renderTable(rows.map(([name, inner]) => cellsOf(name, `${schemaPath}.${name}`, inner))) + "\n");
  }
  for (const [name, inner] of Object.entries(table.keys)) {
    const innerSpec = innerTable(inner.spec);
    if (innerSpec === null || !hasOwnSection(inner)) continue;
    const innerName = `${header.replace(/^\[\[?|\]\]?$/g, "")}.${name}`;
    const title = inner.spec.kind === "list" ? `[[${innerName}]]` : `[${innerName}]`;
    renderSection(title, schemaPathOf(`${schemaPath}.${name}`, inner), { key: inner, table: innerSpec }, parts);
  }
}

function cellsOf(name: string, schemaPath: string, key: KeySpec): readonly string[] {
  const mark = UNSUPPORTED.has(schemaPath) ? " †" : "";
  const variable = key.default === "" ? "" : envNameOf(key.default);
  const meaning = key.isWireOnly ? `${key.doc} Only with \`engine = "wire"\`.` : key.doc;
  return [`\`${name}\`${mark}`, typeOf(key.spec), defaultOf(key), variable === "" ? "" : `\`${variable}\``, meaning];
}

/** Aligned as `deno fmt` aligns it, so that the committed file is this text. */
function renderTable(rows: ReadonlyArray<readonly string[]>): string {
  const all = [["key", "type", "default", "variable", "meaning"], ...rows];
  const widths = all[0].map((_, column) => Math.max(3, ...all.map((cells) => cells[column].length)));
  const lines = all.map((cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`);
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}

function typeOf(spec: ValueSpec): string {
  switch (spec.kind) {
    case "text":
      return FORMATS[spec.format].wanted;
    case "flag":
      return "true or false";
    case "number":
      return `${spec.isWhole ? "whole number" : "number"}, ${spec.min} to ${spec.max}${wordOf(spec.word)}`;
    case "duration":
    case "size":
      return `${spec.kind}, ${spec.min} to ${spec.max}`;
    case "choice":
      return spec.values.map((value) => `\`${value}\``).join(", ");
    case "list":
      return spec.takesOne ? `${typeOf(spec.of)}, or a list` : `list: ${typeOf(spec.of)}`;
    case "pairs":
      return "table of texts";
    case "table":
    case "named":
      return "table";
  }
}

function wordOf(word: string): string {
  return word === "" ? "" : `, or \`"${word}"\``;
}

function defaultOf(key: KeySpec): string {
  if (key.presence === "required") return "required";
  return key.default === "" ? "" : `\`${JSON.stringify(DEFAULTS[key.default])}\``;
}

function hasOwnSection(key: KeySpec): boolean {
  return innerTable(key.spec) !== null;
}

function schemaPathOf(path: string, key: KeySpec): string {
  return path + (key.spec.kind === "list" ? "[]" : key.spec.kind === "named" ? ".*" : "");
}
