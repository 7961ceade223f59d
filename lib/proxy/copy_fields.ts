/** Copies the fields of a decoded head to the other side, with the case and the order in which they came. */

import type { ByteWriter } from "../base/byte_writer.ts";
import type { Head } from "../http1/head.ts";
import type { FieldFilter } from "./field_filter.ts";

/** Runs of fields that `filter` keeps are copied at once: most heads are two or three runs. */
export function copyFields(out: ByteWriter, head: Head, filter: FieldFilter): void {
  const { offsets, ids, count } = head;
  const needsNames = filter.needsNames;
  let runStart = -1;
  for (let index = 0; index < count; index++) {
    const isDropped = filter.dropsId[ids[index]] !== 0 || (needsNames && filter.dropsByName(head.lowerName(index)));
    if (!isDropped) {
      if (runStart < 0) runStart = offsets[4 * index];
    } else if (runStart >= 0) {
      out.bytes(head.bytes, runStart, offsets[4 * index]);
      runStart = -1;
    }
  }
  if (runStart >= 0) out.bytes(head.bytes, runStart, head.end - 2);
}
