/**
 * What a client takes its time for comes before a connection to a backend is taken: a body that fits into what is kept for
 * another attempt (`retry.body_buffer`) is read to its end first.
 *
 * One that is larger, or does not say how long it is, may be one half of a conversation, whose other half is the response,
 * or be answered before it has ended: it goes on when as much as is kept has come, or after `BODY_COLLECT_MS` with what is
 * there. Whoever dribbles such a body has a connection from then on, for as long as `limits.body_min_rate` lets it.
 *
 * A client that waits for "100 (Continue)" has to be told to go on, by us: a backend can't say so before it is asked. It is
 * asked where the body is known to be larger than what is kept, so that it may refuse an upload before it is sent.
 */

import { BODY_COLLECT_MS } from "../../config/bounds.ts";
import { type BodyPace, expectPiece } from "../message/body_pace.ts";
import type { Exchange } from "../exchange.ts";
import { UNKNOWN_LENGTH } from "../message/request.ts";
import type { RequestBody } from "../message/request_body.ts";

/** Whether there is something to wait for. @param keptBytesMax Of the body. */
export function isToCollect({ request }: Exchange, body: RequestBody, keptBytesMax: number): boolean {
  if (body.isEnded || body.isFull) return false;
  return request.bodyLength <= keptBytesMax || request.field("expect") === null;
}

/**
 * @param bytesMax Of the body that are kept.
 * @param pace Null without a rate.
 * @returns Whether the client was told to go on: its `Expect` is answered then.
 * @throws {ProxyError} what `ProxyRequest.readBody` throws, and what the exchange is cancelled with.
 */
export async function collectBody(
  exchange: Exchange,
  body: RequestBody,
  { bytesMax, pace }: { readonly bytesMax: number; readonly pace: BodyPace | null },
): Promise<boolean> {
  const { core, request } = exchange;
  const isSmall = request.bodyLength !== UNKNOWN_LENGTH && request.bodyLength <= bytesMax;
  const isTold = body.bytes === 0 && request.askForBody();
  let seen = body.bytes;
  const onPiece = () => {
    pace?.end(body.bytes - seen, core.deadlines.recentMs);
    seen = body.bytes;
    expectPiece(exchange, pace);
  };
  expectPiece(exchange, pace);
  try {
    await exchange.pause(isSmall ? 0 : BODY_COLLECT_MS, body.collect(onPiece));
  } finally {
    body.stopCollecting();
    pace?.end(body.bytes - seen, core.deadlines.recentMs);
    exchange.due.expectUpload(0, "request_timeout");
  }
  exchange.nowMs = core.clock.nowMs();
  return isTold;
}
