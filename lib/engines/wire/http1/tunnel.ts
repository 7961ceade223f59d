/**
 * An upgraded connection: bytes both ways until both sides have ended, whatever they mean.
 *
 * The end of one side is passed on as the end of that direction only. Silence in both directions is bounded by the
 * upstream's tunnel timeout, and more closely once one direction has ended: whoever has closed altogether looks from here
 * like one that still listens, and the other side may never notice.
 */

import { ProxyError } from "../../../base/errors.ts";
import type { Exchange } from "../../../proxy/exchange.ts";
import type { Tunnel } from "../../../proxy/message/response.ts";

export interface TunnelClient {
  /** Bytes that came behind the request. */
  readonly early: Uint8Array;
  /** The next bytes, in `into` or elsewhere; empty at the end. Valid until the next call. @throws {ProxyError} */
  read(into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  write(bytes: Uint8Array): Promise<void>;
  closeWrite(): Promise<void>;
  close(): void;
}

const PIECE_BYTES = 64 * 1024;
/** Silence in the direction that is left when the other one has ended. */
const HALF_CLOSED_MS_MAX = 60_000;

/** Never rejects; ends the exchange. */
export async function runTunnel(exchange: Exchange, backend: Tunnel, client: TunnelClient): Promise<void> {
  const touch = () => exchange.due.expectDownload(exchange.idleMs, "tunnel_timeout");
  const halfClosed = () => {
    exchange.idleMs = exchange.idleMs > 0 ? Math.min(exchange.idleMs, HALF_CLOSED_MS_MAX) : HALF_CLOSED_MS_MAX;
    touch();
  };
  const fail = (error: unknown) => {
    exchange.cancel(error instanceof ProxyError ? error : new ProxyError("client_gone", "", error));
    client.close();
  };
  const toBackend = async () => {
    if (client.early.length > 0) await backend.write(client.early);
    const bytes = new Uint8Array(PIECE_BYTES);
    for (let piece = await client.read(bytes); piece.length > 0; piece = await client.read(bytes)) {
      touch();
      await backend.write(piece);
    }
    await backend.closeWrite();
    halfClosed();
  };
  const toClient = async () => {
    for (let piece = await backend.readRaw(); piece !== null; piece = await backend.readRaw()) {
      touch();
      exchange.bytesOut += piece.length;
      await client.write(piece);
    }
    await client.closeWrite();
    halfClosed();
  };
  touch();
  await Promise.all([toBackend().catch(fail), toClient().catch(fail)]);
  exchange.finish("");
}
