/** The end of a chunked request body. */

import type { ByteWriter } from "../../base/byte_writer.ts";
import { LAST_CHUNK } from "../../http1/encode.ts";
import type { Head } from "../../http1/head.ts";
import type { FieldFilter } from "./field_filter.ts";

/**
 * Trailers keep their place behind the body. Left out are fields that frame or route a message, and what is left out of its
 * head: what `Connection` names (RFC 9110 §7.6.1), and what the route removes or sets.
 *
 * @param filter The head's.
 */
export function writeChunkedEnd(out: ByteWriter, trailers: Head | null, filter: FieldFilter): void {
  if (trailers === null || trailers.count === 0) return out.append(LAST_CHUNK);
  out.ascii("0\r\n");
  for (let index = 0; index < trailers.count; index++) {
    if (filter.dropsTrailer(trailers.ids[index], trailers.lowerName(index))) continue;
    out.field(trailers.name(index), trailers.value(index));
  }
  out.ascii("\r\n");
}
