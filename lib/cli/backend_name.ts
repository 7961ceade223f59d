/** Backends as a person names them: `b1` when one upstream has one of that name, else `api/b1`. */

import { nearestName } from "../base/nearest.ts";
import { UsageError } from "./options.ts";

/** What of the answers of the admin API names things. */
interface NamedUpstream {
  readonly name: string;
  readonly backends: ReadonlyArray<{ readonly name: string }>;
}

export interface BackendName {
  readonly upstream: string;
  readonly backend: string;
}

/** Named in a message; of more, how many. */
const LISTED_MAX = 12;

/** @throws {UsageError} With what it may have meant. */
export function backendNamed(upstreams: readonly NamedUpstream[], text: string): BackendName {
  const all = upstreams.flatMap(({ name, backends }) =>
    backends.map((each) => ({ upstream: name, backend: each.name }))
  );
  const exact = all.filter((each) => qualified(each) === text);
  const found = exact.length > 0 ? exact : all.filter(({ backend }) => backend === text);
  if (found.length === 1) return found[0];
  if (found.length > 1) {
    throw new UsageError(`"${text}" is the name of several backends: ${listed(found.map(qualified))}`);
  }
  const names = all.map(qualified);
  // The part that was meant is compared: "b3" with names of backends, "apii/b1" with whole names.
  const near = text.includes("/") ? nearestName(text, names) : all.map(
    qualified,
  )[all.findIndex(({ backend }) => backend === nearestName(text, all.map((each) => each.backend)))];
  const hint = near === undefined || near === "" ? "" : `; did you mean "${near}"?`;
  throw new UsageError(`no backend named "${text}"${hint} (backends: ${listed(names)})`);
}

/** @throws {UsageError} */
export function upstreamNamed<U extends NamedUpstream>(upstreams: readonly U[], text: string): U {
  const found = upstreams.find(({ name }) => name === text);
  if (found !== undefined) return found;
  const names = upstreams.map(({ name }) => name);
  const near = nearestName(text, names);
  throw new UsageError(
    `no upstream named "${text}"${near === "" ? "" : `; did you mean "${near}"?`} (upstreams: ${listed(names)})`,
  );
}

export function namesOf(upstreams: readonly NamedUpstream[]): readonly string[] {
  return upstreams.flatMap(({ name, backends }) => backends.map((each) => `${name}/${each.name}`));
}

function qualified({ upstream, backend }: BackendName): string {
  return `${upstream}/${backend}`;
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return "there are none";
  if (names.length <= LISTED_MAX) return names.join(", ");
  return `${names.slice(0, LISTED_MAX).join(", ")} and ${names.length - LISTED_MAX} more`;
}
