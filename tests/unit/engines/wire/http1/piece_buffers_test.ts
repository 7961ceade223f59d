/** What request bodies are read into: the same buffer again once its piece is done with, and never before. */

import { PIECE_BYTES, PieceBuffers } from "../../../../../lib/engines/wire/http1/piece_buffers.ts";
import { BODY_BUFFER_BYTES, bodyBuffers } from "../../../../../lib/transport/body_buffers.ts";
import { assert, assertEquals } from "../../../../support/assert.ts";

const { medium: MEDIUM, large: LARGE } = BODY_BUFFER_BYTES;

/** A read that fills its buffer. */
function filled(buffers: PieceBuffers, missing: number): Uint8Array<ArrayBuffer> {
  const buffer = buffers.take(missing);
  buffers.took(buffer, buffer.length);
  return buffer;
}

Deno.test("PieceBuffers reads over a piece that is done with, and over no other", () => {
  const buffers = new PieceBuffers();
  const [first, second] = [buffers.take(-1), buffers.take(-1)];
  assert(first !== second);
  buffers.reuse(second.subarray(10, 20));
  buffers.reuse(new Uint8Array(5));
  assert(buffers.take(-1) === second);
  const third = buffers.take(-1);
  assert(third !== first && third !== second);
});

Deno.test("PieceBuffers grows for a client that fills it, and reads no more than is missing into a large one", () => {
  const buffers = new PieceBuffers();
  const sizes = [filled(buffers, -1), filled(buffers, -1), filled(buffers, -1)].map(({ length }) => length);
  assertEquals(sizes, [PIECE_BYTES, MEDIUM, LARGE]);
  assertEquals(filled(buffers, MEDIUM + 1).length, LARGE);
  assertEquals(filled(buffers, MEDIUM).length, MEDIUM);
  assertEquals(filled(buffers, PIECE_BYTES).length, PIECE_BYTES);
  const slow = buffers.take(-1);
  buffers.took(slow, 10);
  assertEquals(buffers.take(-1).length, PIECE_BYTES);
  buffers.close();
});

Deno.test("PieceBuffers gives back what it was lent: at the end, behind the end, and when the client is gone", () => {
  const before = bodyBuffers.largeLent;
  const buffers = new PieceBuffers();
  const lend = () => {
    filled(buffers, 10 * LARGE);
    return filled(buffers, 10 * LARGE);
  };
  const spare = lend();
  assertEquals([spare.length, bodyBuffers.largeLent - before], [LARGE, 1]);
  buffers.reuse(spare);
  buffers.end();
  assertEquals(bodyBuffers.largeLent, before);

  const late = lend();
  buffers.end();
  assertEquals(bodyBuffers.largeLent - before, 1);
  buffers.reuse(late);
  assertEquals(bodyBuffers.largeLent, before);

  const kept = lend();
  buffers.end();
  buffers.take(-1); // of the next body
  assertEquals(bodyBuffers.largeLent, before);
  buffers.reuse(kept); // written off: nobody gets it
  assert(bodyBuffers.lend("large") !== kept);
  bodyBuffers.writeOff(kept);

  buffers.end();
  lend();
  buffers.close();
  assertEquals(bodyBuffers.largeLent, before);
});
