/**
 * Output buffers for message heads, lent from the moment one is written; given back when it is out.
 *
 * Most writes are out in the turn in which they were begun, so that one or two buffers, always in the processor's cache,
 * do for all connections. One of its own for each connection is out of the cache by its next turn: with 64 clients that
 * cost a twentieth of the CPU time of a small request. A longer response or upload keeps its buffer to its end, a tunnel
 * for good.
 */

import { ByteWriter } from "./byte_writer.ts";
import { FreeList } from "./free_list.ts";

/** A few are in use at a time; one that a large message has grown to more than 64 KiB shrinks when it comes back. */
const freeList = new FreeList(64, () => new ByteWriter());

/** @returns An empty one. Who keeps it, or loses it, does no harm. */
export function lendWriter(): ByteWriter {
  return freeList.take();
}

/** @param writer Of whose bytes nobody holds a view, and no write is under way. */
export function takeBackWriter(writer: ByteWriter): void {
  writer.reset();
  freeList.giveBack(writer);
}
