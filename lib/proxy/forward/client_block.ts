/**
 * What a backend is told about a client that is no trusted proxy: `Via` and the forwarding fields, as bytes to copy.
 *
 * They are the same for all requests of a connection that name the same host, so the last ones of each client are kept.
 * bench/micro/wire_head_bench.ts: made anew 235 ns, copied 15.
 */

import { ByteWriter } from "../../base/byte_writer.ts";
import { takesFastPath } from "../../base/fast_path.ts";
import type { ForwardedMode } from "../../fields/forwarded.ts";
import { NOTHING_FORWARDED } from "./client_identity.ts";
import type { Exchange } from "../exchange.ts";

/** Clients remembered; a few hundred bytes each. All are forgotten together when there are more. */
const CLIENTS_MAX = 1024;

interface ClientBlock {
  readonly host: string;
  readonly isSecure: boolean;
  readonly mode: ForwardedMode;
  readonly bytes: Uint8Array;
}

const blocks: Map<string, ClientBlock> = new Map();
const scratch = new ByteWriter(512);

/** @param exchange One whose peer is not trusted. */
export function clientBlock({ request, plan }: Exchange): Uint8Array {
  const { mode } = plan.forwarded;
  const { authority: host, isSecure } = request;
  const known = takesFastPath() ? blocks.get(request.peerIp) : undefined;
  if (known !== undefined && known.host === host && known.isSecure === isSecure && known.mode === mode) {
    return known.bytes;
  }
  scratch.reset();
  scratch.ascii("via: 1.1 sluice\r\n");
  const peer = { ip: request.peerIp, isTrusted: false };
  const scheme = isSecure ? "https" : "http";
  plan.forwarded.emit(peer, scheme, host, NOTHING_FORWARDED, (name, value) => scratch.field(name, value));
  const bytes = scratch.view().slice();
  if (!takesFastPath()) return bytes;
  if (known === undefined && blocks.size >= CLIENTS_MAX) blocks.clear();
  blocks.set(request.peerIp, { host, isSecure, mode, bytes });
  return bytes;
}
