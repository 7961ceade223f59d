/** Every value as it takes effect, with where it came from: what `sluice check --effective` prints. */

import { withoutUserInfo } from "./masks.ts";
import type { Setting } from "./validate/read.ts";

export interface EffectiveSetting {
  readonly key: string;
  /** As a file would hold it; secrets are masked, and what came from a variable is `${NAME}`. */
  readonly value: string;
  /** `config.toml:14`, `env NAME` or `default`. */
  readonly origin: string;
}

export function effectiveSettings(settings: readonly Setting[]): readonly EffectiveSetting[] {
  return settings.map(({ path, shown, origin }) => ({ key: path, value: tomlOf(shown), origin }));
}

/** Lines such as `upstreams.api.pool.max_idle = 64   # default`, the origins in one column as far as that helps. */
export function effectiveLines(settings: readonly EffectiveSetting[]): readonly string[] {
  const texts = settings.map(({ key, value }) => `${key} = ${value}`);
  const column = Math.min(60, texts.reduce((widest, text) => Math.max(widest, text.length), 0));
  return texts.map((text, index) => `${text.padEnd(column)}   # ${settings[index].origin}`);
}

function tomlOf(raw: unknown): string {
  if (Array.isArray(raw)) return `[${raw.map(tomlOf).join(", ")}]`;
  if (typeof raw === "string") return JSON.stringify(withoutUserInfo(raw)).replaceAll("\x7f", "\\u007f");
  return String(raw);
}
