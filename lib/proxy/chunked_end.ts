/** The end of a chunked body, for either side. */

import type { ByteWriter } from "../base/byte_writer.ts";
import { LAST_CHUNK } from "../http1/encode.ts";
import type { Head } from "../http1/head.ts";
import { TRAILER_DROPS } from "./field_filter.ts";

/** Trailers keep their place behind the body; fields that frame or route a message are left out. */
export function writeChunkedEnd(out: ByteWriter, trailers: Head | null): void {
  if (trailers === null || trailers.count === 0) return out.bytes(LAST_CHUNK, 0, LAST_CHUNK.length);
  out.ascii("0\r\n");
  for (let index = 0; index < trailers.count; index++) {
    if (TRAILER_DROPS[trailers.ids[index]] === 0) out.field(trailers.name(index), trailers.value(index));
  }
  out.ascii("\r\n");
}
