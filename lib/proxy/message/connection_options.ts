/** What the `Connection` lines of a message say. The two usual ones cost no string. */

import { FieldId } from "../../base/field_names.ts";
import { type ConnectionOptions, NO_CONNECTION_OPTIONS, parseConnection } from "../../fields/hop_by_hop.ts";
import { equalsFolded } from "../../http1/grammar.ts";
import type { Head } from "../../http1/head.ts";

const KEEP_ALIVE = parseConnection("keep-alive");
const CLOSE = parseConnection("close");

export function connectionOptions(head: Head): ConnectionOptions {
  const index = head.find(FieldId.connection);
  if (index < 0) return NO_CONNECTION_OPTIONS;
  const start = head.offsets[4 * index + 2];
  const end = head.offsets[4 * index + 3];
  if (head.find(FieldId.connection, index + 1) < 0) {
    if (equalsFolded(head.fieldBytes, start, end, "keep-alive")) return KEEP_ALIVE;
    if (equalsFolded(head.fieldBytes, start, end, "close")) return CLOSE;
  }
  return parseConnection(head.get(FieldId.connection)!);
}
