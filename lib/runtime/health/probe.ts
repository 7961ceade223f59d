/**
 * One active probe: a request on a connection of its own, judged by its status.
 *
 * The traffic's pool is left alone: a probe must not wait in its line, nor report the health of a connection that happens
 * to be warm instead of that of the backend.
 */

import { type ErrorCode, ProxyError } from "../../base/errors.ts";
import type { StatusRange } from "../../config/types.ts";
import { requestLine } from "../../http1/encode.ts";
import { Connection } from "../../transport/http1/connection.ts";
import type { ResponseBounds } from "../../transport/http1/response_bounds.ts";
import { dial, type DialAddress, type DialTls } from "../../transport/dial.ts";

export interface ProbeTarget {
  readonly address: DialAddress;
  readonly tls: DialTls;
  /** What to send as `Host`. */
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly timeoutMs: number;
  readonly expect: readonly StatusRange[];
  /** As of `DialOptions`. */
  readonly onTls?: (problem: string) => void;
}

/** Heads of health endpoints are small; whatever is larger is no answer to a probe. */
const BOUNDS: ResponseBounds = {
  head: { bytesMax: 16 * 1024, fieldsMax: 100, targetBytesMax: 0 },
  body: { chunkHeadBytesMax: 256, trailerBytesMax: 1024, trailerFieldsMax: 16 },
};

/** @returns "" when the backend passed, else why not. Never rejects. */
export async function probe(target: ProbeTarget): Promise<ErrorCode | "bad_status" | ""> {
  let connection: Connection | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const startedMs = performance.now();
  try {
    connection = new Connection(await dial(target), BOUNDS, startedMs);
    const restMs = Math.max(0, target.timeoutMs - (performance.now() - startedMs));
    timer = setTimeout(() => connection!.abort(new ProxyError("response_timeout")), restMs);
    connection.beginExchange();
    encodeProbe(connection, target);
    await connection.write(connection.out.view());
    await connection.readHead({ method: target.method, passInformational: () => {} });
    return isExpected(connection.head.status, target.expect) ? "" : "bad_status";
  } catch (error) {
    return error instanceof ProxyError ? error.code : "internal_error";
  } finally {
    if (timer !== null) clearTimeout(timer);
    connection?.close();
  }
}

function encodeProbe({ out }: Connection, target: ProbeTarget): void {
  requestLine(out, target.method, target.path);
  out.field("host", target.host);
  out.ascii("user-agent: sluice-health\r\naccept: */*\r\nconnection: close\r\n\r\n");
}

function isExpected(status: number, expect: readonly StatusRange[]): boolean {
  return expect.some(({ from, to }) => status >= from && status <= to);
}
