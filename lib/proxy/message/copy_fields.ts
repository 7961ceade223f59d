/** Copies the fields of a decoded head to the other side, with the case and the order in which they came. */

import { ByteWriter } from "../../base/byte_writer.ts";
import type { EmitField } from "../../base/emit_field.ts";
import type { FieldBlock } from "../../http1/field_memory.ts";
import type { Head } from "../../http1/head.ts";
import type { FieldFilter } from "./field_filter.ts";

/** For what is left of fields that are remembered. */
const scratch = new ByteWriter(1024);

export function copyFields(out: ByteWriter, head: Head, filter: FieldFilter): void {
  const { block } = head;
  if (block === null || filter.needsNames) copyRuns(out, head, filter);
  else out.append(keptOf(block, head, filter));
}

/** The same fields, one by one. */
export function eachField(emit: EmitField, head: Head, filter: FieldFilter): void {
  const { needsNames } = filter;
  for (let index = 0; index < head.count; index++) {
    if (filter.dropsId[head.ids[index]] !== 0) continue;
    if (needsNames && filter.dropsByName(head.lowerName(index))) continue;
    emit(head.name(index), head.value(index));
  }
}

/** What `filter`, which looks at ids alone, leaves of fields that were recalled: made when the filter is not the last one's. */
function keptOf(block: FieldBlock, head: Head, filter: FieldFilter): Uint8Array {
  if (block.kept !== null && block.keptWithout === filter.dropsId) return block.kept;
  scratch.reset();
  copyRuns(scratch, head, filter);
  block.keptWithout = filter.dropsId;
  return block.kept = scratch.view().slice();
}

/** Runs of fields that `filter` keeps are copied at once: most heads are two or three runs. */
function copyRuns(out: ByteWriter, head: Head, filter: FieldFilter): void {
  const { offsets, ids, count } = head;
  const { needsNames } = filter;
  const bytes = head.fieldBytes;
  let runStart = -1;
  for (let index = 0; index < count; index++) {
    const isDropped = filter.dropsId[ids[index]] !== 0 || (needsNames && filter.dropsByName(head.lowerName(index)));
    if (!isDropped) {
      if (runStart < 0) runStart = offsets[4 * index];
    } else if (runStart >= 0) {
      out.bytes(bytes, runStart, offsets[4 * index]);
      runStart = -1;
    }
  }
  if (runStart >= 0) out.bytes(bytes, runStart, head.fieldsEnd);
}
