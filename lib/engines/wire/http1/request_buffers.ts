/**
 * What a connection needs while a request is under way, and only then.
 *
 * Most connections are idle most of the time, and two thousand of them had 12 MB of heads, buffers and decoders to wait
 * with. They are lent by the request. The one that came back last goes out first, so that a busy process works on a
 * few that are still in the processor's cache.
 */

import { CHUNK_HEAD_BYTES_MAX, TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX } from "../../../config/bounds.ts";
import { FreeList } from "../../../base/free_list.ts";
import { BodyDecoder } from "../../../http1/body_decoder.ts";
import { Head } from "../../../http1/head.ts";

export const BODY_BOUNDS = {
  chunkHeadBytesMax: CHUNK_HEAD_BYTES_MAX,
  trailerBytesMax: TRAILER_BYTES_MAX,
  trailerFieldsMax: TRAILER_FIELDS_MAX,
};

export class RequestBuffers {
  readonly head: Head = new Head();
  readonly decoder: BodyDecoder = new BodyDecoder("request");
}

/** About a kilobyte each. */
const freeList = new FreeList(256, () => new RequestBuffers());

export function borrowRequestBuffers(): RequestBuffers {
  return freeList.take();
}

/** @param buffers Of an exchange that is over, with its body read to the end: nobody else may hold it. */
export function returnRequestBuffers(buffers: RequestBuffers): void {
  buffers.head.reset();
  buffers.head.memory = null;
  freeList.giveBack(buffers);
}
