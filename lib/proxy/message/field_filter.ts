/**
 * Which fields of a message are not copied to the other side: hop-by-hop fields and what `Connection` names, what the
 * proxy makes anew, and what the route removes.
 *
 * Known names are judged by one look-up in a table over their ids. Names are compared as strings only when a `Connection`
 * field named something or the route has edits, which is rare.
 */

import { invariant } from "../../base/errors.ts";
import { FieldId, fieldIdOfName, fieldKindOfName } from "../../base/field_names.ts";
import type { FieldEdits } from "../../fields/edits.ts";
import { FORWARDED_NAMES, ForwardedFields, type ForwardedMode } from "../../fields/forwarded.ts";
import { HOP_BY_HOP_NAMES } from "../../fields/hop_by_hop.ts";

/** Made anew on every request, or without a meaning behind us, or harmful there; the forwarding chain comes on top. */
const REQUEST_REMADE = ["host", "content-length", "x-request-id", "trailer", "http2-settings", "proxy"];

/** Framing of the response is made anew. */
const RESPONSE_REMADE = ["content-length", "trailer"];

export class FieldFilter {
  /** 1 per `FieldId` that is dropped. */
  readonly dropsId: Uint8Array;
  /** Lower-case names that this message's `Connection` names. */
  nominated: readonly string[] = [];
  edits: FieldEdits;

  constructor(dropsId: Uint8Array, edits: FieldEdits) {
    this.dropsId = dropsId;
    this.edits = edits;
  }

  drops(lowerName: string): boolean {
    if (this.dropsId[fieldKindOfName(lowerName)] !== 0) return true;
    return this.dropsByName(lowerName);
  }

  /** Whether a field of a trailer section is left out; its table of ids is another. */
  dropsTrailer(id: FieldId, lowerName: string): boolean {
    if (TRAILER_DROPS[id] !== 0 || (id === FieldId.underscored && this.dropsId[id] !== 0)) return true;
    return this.dropsByName(lowerName);
  }

  /** For a name whose id was already asked. */
  dropsByName(lowerName: string): boolean {
    return this.nominated.length > 0 && this.nominated.includes(lowerName) || this.edits.removes(lowerName);
  }

  /** Whether names have to be looked at at all, or ids are enough. */
  get needsNames(): boolean {
    return this.nominated.length > 0 || !this.edits.isEmpty;
  }
}

/** For a request whose `Expect` was answered. */
export function withoutExpect(filter: FieldFilter): FieldFilter {
  const dropsId = filter.dropsId.slice();
  dropsId[FieldId.expect] = 1;
  const answered = new FieldFilter(dropsId, filter.edits);
  answered.nominated = filter.nominated;
  return answered;
}

export const RESPONSE_DROPS: Uint8Array = dropTable([...HOP_BY_HOP_NAMES, ...RESPONSE_REMADE]);

/**
 * What must not stand in a trailer section although it may in a head (RFC 9110 §6.5.1): what routes, frames or
 * authenticates a message, or says who sent it.
 */
const TRAILER_DROPS: Uint8Array = dropTable([
  ...HOP_BY_HOP_NAMES,
  ...REQUEST_REMADE,
  ...FORWARDED_NAMES,
  "via",
  "authorization",
  "cookie",
  "set-cookie",
  "content-type",
  "content-encoding",
  "range",
  "cache-control",
  "expect",
  "max-forwards",
], [FieldId.x_forwarded_other, FieldId.lookalike]);

/** What else is written anew. */
export interface RequestOwnership {
  /** Whether the request came from a trusted proxy, whose word about the client may pass. */
  readonly isTrusted: boolean;
  /** `Cookie` is written apart, without a cookie of ours. */
  readonly ownsCookie: boolean;
  /** `traceparent` and `tracestate` are the exchange's own. */
  readonly ownsTrace: boolean;
  /** `Max-Forwards` is counted down. */
  readonly countsForwards: boolean;
  /** Names with "_" stay behind. */
  readonly dropsUnderscores: boolean;
}

export function requestDrops(
  forwarded: ForwardedFields,
  { isTrusted, ownsCookie, ownsTrace, countsForwards, dropsUnderscores }: RequestOwnership,
): Uint8Array {
  const tables = REQUEST_DROPS.get(forwarded.mode)!;
  return tables[
    (dropsUnderscores ? 16 : 0) + (countsForwards ? 8 : 0) + (isTrusted ? 4 : 0) + (ownsTrace ? 2 : 0) +
    (ownsCookie ? 1 : 0)
  ];
}

const MODES: readonly ForwardedMode[] = ["x-forwarded", "rfc7239", "both", "off"];
const REQUEST_DROPS: ReadonlyMap<ForwardedMode, readonly Uint8Array[]> = new Map(
  MODES.map((mode) => {
    const plain = [[], ["max-forwards"]].flatMap((more) => requestTables(mode, more));
    return [mode, [...plain, ...plain.map((table) => table.with(FieldId.underscored, 1))]];
  }),
);

function requestTables(mode: ForwardedMode, more: readonly string[]): Uint8Array[] {
  return [false, true].flatMap((isTrusted) => peerTables(mode, isTrusted, more));
}

function peerTables(mode: ForwardedMode, isTrusted: boolean, more: readonly string[]): Uint8Array[] {
  const forwarded = new ForwardedFields(mode);
  const names = [
    ...more,
    ...HOP_BY_HOP_NAMES,
    ...REQUEST_REMADE,
    ...FORWARDED_NAMES.filter((name) => forwarded.removes(name, isTrusted)),
  ];
  // What a trusted proxy says about its client beyond our own fields passes; no honest one writes lookalikes.
  const kinds = isTrusted ? [FieldId.lookalike] : [FieldId.lookalike, FieldId.x_forwarded_other];
  const traced = [...names, "traceparent", "tracestate"];
  return [names, [...names, "cookie"], traced, [...traced, "cookie"]].map((dropped) => dropTable(dropped, kinds));
}

function dropTable(names: readonly string[], kinds: readonly FieldId[] = []): Uint8Array {
  const table = new Uint8Array(256);
  for (const id of kinds) table[id] = 1;
  for (const name of names) {
    const id = fieldIdOfName(name);
    invariant(id !== 0, `field "${name}" has an id`);
    table[id] = 1;
  }
  return table;
}
