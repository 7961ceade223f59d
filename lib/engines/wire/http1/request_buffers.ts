/**
 * What a connection needs while a request is under way, and only then.
 *
 * Most connections are idle most of the time, and two thousand of them had 12 MB of heads, buffers and decoders to wait
 * with. Kits are lent by the request. The one that came back last goes out first, so that a busy process works on a
 * few that are still in the processor's cache.
 */

import { CHUNK_HEAD_BYTES_MAX, TRAILER_BYTES_MAX, TRAILER_FIELDS_MAX } from "../../../config/bounds.ts";
import { Spares } from "../../../base/free_list.ts";
import { BodyDecoder } from "../../../http1/body_decoder.ts";
import { Head } from "../../../http1/head.ts";

export const BODY_BOUNDS = {
  chunkHeadBytesMax: CHUNK_HEAD_BYTES_MAX,
  trailerBytesMax: TRAILER_BYTES_MAX,
  trailerFieldsMax: TRAILER_FIELDS_MAX,
};

export class WireKit {
  readonly head: Head = new Head();
  readonly decoder: BodyDecoder = new BodyDecoder("request");
}

/** About a kilobyte each. */
const spares = new Spares(256, () => new WireKit());

export function borrowKit(): WireKit {
  return spares.take();
}

/** @param kit Of an exchange that is over, with its body read to the end: nobody else may hold it. */
export function returnKit(kit: WireKit): void {
  kit.head.reset();
  kit.head.memory = null;
  spares.giveBack(kit);
}
