/** The body between the client and the attempts: what is here at once, and what may be sent again. */

import { assertEquals, assertRejects } from "../../../support/assert.ts";
import { ProxyError } from "../../../../lib/base/errors.ts";
import type { ProxyRequest } from "../../../../lib/proxy/message/request.ts";
import { RequestBody } from "../../../../lib/proxy/message/request_body.ts";
import { toBytes, toText } from "../../../support/wire_bytes.ts";

interface Row {
  readonly name: string;
  /** What of the body came with the head; `later`: what comes afterwards. */
  readonly atHand: string | null;
  readonly later: readonly string[];
  readonly keptBytesMax: number;
  readonly whole: string | null;
  readonly isIntactBehind: boolean;
}

const ROWS: readonly Row[] = [
  { name: "all here", atHand: "0123456789", later: [], keptBytesMax: 10, whole: "0123456789", isIntactBehind: true },
  {
    name: "all here, and not kept",
    atHand: "0123456789",
    later: [],
    keptBytesMax: 9,
    whole: "0123456789",
    isIntactBehind: false,
  },
  { name: "here, and empty", atHand: null, later: [], keptBytesMax: 0, whole: "", isIntactBehind: true },
  { name: "half of it here", atHand: "01234", later: ["56789"], keptBytesMax: 10, whole: null, isIntactBehind: true },
  { name: "nothing here", atHand: null, later: ["0123456789"], keptBytesMax: 10, whole: null, isIntactBehind: true },
  {
    name: "too large for one write",
    atHand: "0123456789ABCDEFG",
    later: [],
    keptBytesMax: 99,
    whole: null,
    isIntactBehind: true,
  },
];

for (const { name, atHand, later, keptBytesMax, whole, isIntactBehind } of ROWS) {
  Deno.test(`RequestBody.takeWhole(): ${name}`, async () => {
    const body = new RequestBody(requestWith(atHand, later), keptBytesMax);
    body.begin();
    for (const _attempt of isIntactBehind ? [1, 2] : [1]) {
      const taken = body.takeWhole(16);
      assertEquals(taken === null ? null : toText(taken), whole);
    }
    assertEquals(body.isIntact, isIntactBehind);
    if (!isIntactBehind) return assertEquals(body.takeWhole(16), null);
    let text = "";
    for (let index = 0; await body.piece(index) !== null; index++) text += toText((await body.piece(index))!);
    assertEquals([text, body.bytes, body.isEnded], [(atHand ?? "") + later.join(""), text.length, true]);
  });
}

Deno.test("RequestBody.piece() fails again for whoever asks after an attempt that was given up", async () => {
  // What broke it was read and lost: the next attempt would have sent what was left as the whole body.
  const request = requestWith(null, ["still to come"]);
  let reads = 0;
  request.readBody = () => {
    if (++reads === 2) return Promise.reject(new ProxyError("request_body_too_large"));
    return Promise.resolve(reads === 1 ? toBytes("01234") : null);
  };
  const body = new RequestBody(request, 99);
  body.begin();
  for (const _attempt of [1, 2]) {
    assertEquals(toText((await body.piece(0))!), "01234");
    const { code } = await assertRejects(() => body.piece(1), ProxyError);
    assertEquals([code as string, body.takeWhole(16)], ["request_body_too_large", null]);
  }
});

Deno.test("RequestBody says which pieces may be read over: those behind which one attempt has come, and all when it is sent", async () => {
  const reused: string[] = [];
  const body = new RequestBody(requestWith(null, ["0123", "4567", "89"], reused), 6);
  body.begin();
  const seen: string[][] = [];
  for (let index = 0; await body.piece(index) !== null; index++) seen.push([...reused]);
  assertEquals(seen, [[], [], ["0123", "4567"]]);
  body.sent();
  assertEquals(reused, ["0123", "4567", "89"]);
});

Deno.test("RequestBody keeps what another attempt may need until nobody does", async () => {
  const reused: string[] = [];
  const body = new RequestBody(requestWith(null, ["0123", "4567"], reused), 99);
  body.begin();
  for (let index = 0; await body.piece(index) !== null; index++);
  body.sent();
  assertEquals([body.isIntact, reused], [true, []]);
  body.release();
  assertEquals(reused, ["0123", "4567"]);
});

Deno.test("RequestBody lets no piece be read over that an attempt before may still be writing", async () => {
  const reused: string[] = [];
  const body = new RequestBody(requestWith(null, ["0123", "4567", "89"], reused), 6);
  body.begin();
  await body.piece(0); // its attempt is given up
  for (let index = 0; await body.piece(index) !== null; index++);
  body.sent();
  body.release();
  assertEquals(reused, []);
});

function requestWith(atHand: string | null, later: readonly string[], reused: string[] = []): ProxyRequest {
  const pieces = later.map(toBytes);
  return {
    takeReceived: () => atHand === null ? null : toBytes(atHand),
    isBodyTaken: later.length === 0,
    readBody: () => Promise.resolve(pieces.shift() ?? null),
    reuse: (piece: Uint8Array) => reused.push(toText(piece)),
  } as unknown as ProxyRequest;
}
