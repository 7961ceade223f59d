/** Behaviours for a `ScriptedBackend`. Each is a function of one exchange; a test may as well write its own. */

import type { ScriptedExchange } from "./backend_exchange.ts";
import type { Field } from "./http_message.ts";
import { type Bytes, concat, toBytes } from "./wire_bytes.ts";

/** Answers one request. May close the connection; when it returns with it open, the next request is read. */
export type Script = (exchange: ScriptedExchange) => Promise<void> | void;

export interface ResponseOptions {
  /** Default: "OK" for 200, else "Status". */
  readonly reason?: string;
  readonly fields?: readonly Field[];
  /** length: Content-Length. chunked: two chunks. close: neither; the script must close. none: no body, no length. */
  readonly framing?: "length" | "chunked" | "close" | "none";
  readonly trailers?: readonly Field[];
  readonly version?: "1.0" | "1.1";
}

/** The bytes of a response. */
export function response(status: number, body: string | Uint8Array = "", options: ResponseOptions = {}): Bytes {
  const { reason = status === 200 ? "OK" : "Status", fields = [], framing = "length", version = "1.1" } = options;
  const content = toBytes(body);
  const lines = [`HTTP/${version} ${status} ${reason}`, ...fields.map(([name, value]) => `${name}: ${value}`)];
  if (framing === "length") lines.push(`Content-Length: ${content.length}`);
  if (framing === "chunked") lines.push("Transfer-Encoding: chunked");
  if (framing === "close" && version === "1.1") lines.push("Connection: close");
  const head = toBytes(`${lines.join("\r\n")}\r\n\r\n`);
  return concat([head, framing === "chunked" ? chunked(content, options.trailers) : content]);
}

/** `content` as two chunks (fewer when it is short), the last chunk, and trailers. */
export function chunked(content: Uint8Array, trailers: readonly Field[] = []): Bytes {
  const middle = content.length >> 1;
  const chunks = [content.subarray(0, middle), content.subarray(middle)].filter((chunk) => chunk.length > 0);
  const end = trailers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return concat([...chunks.map(chunk), toBytes(`0\r\n${end}\r\n`)]);
}

/** One chunk with its framing. */
export function chunk(content: string | Uint8Array): Bytes {
  const bytes = toBytes(content);
  return concat([toBytes(`${bytes.length.toString(16)}\r\n`), bytes, toBytes("\r\n")]);
}

/** Reads the request whole, then writes exactly these bytes. */
export function answer(bytes: string | Uint8Array = response(200, "ok")): Script {
  return async (exchange) => {
    await exchange.readBody();
    await exchange.write(bytes);
  };
}

/** Like `answer`, once a promise (a gate's `opened`) settles or so many ms have passed. */
export function answerAfter(until: number | PromiseLike<unknown>, bytes: Uint8Array = response(200, "ok")): Script {
  return async (exchange) => {
    await exchange.readBody();
    await exchange.wait(until);
    await exchange.write(bytes);
  };
}

/** Answers as soon as the head is there; the body is read afterwards, so that the connection stays usable. */
export function answerEarly(bytes: Uint8Array = response(413, "early")): Script {
  return (exchange) => exchange.write(bytes);
}

/** Answers, and closes in the middle of the request body. */
export function answerEarlyAndClose(bytes: Uint8Array): Script {
  return async (exchange) => {
    await exchange.write(bytes);
    exchange.close();
  };
}

/** Closes with FIN when the request has come: after its head, or after its body too. */
export function closeBeforeHead(options: { readonly readBody?: boolean } = {}): Script {
  return async (exchange) => {
    if (options.readBody ?? true) await exchange.readBody();
    exchange.close();
  };
}

/** Like `closeBeforeHead`, with RST. */
export function resetBeforeHead(): Script {
  return async (exchange) => {
    await exchange.readBody();
    exchange.reset();
  };
}

/** Writes a beginning of a response and closes with FIN. */
export function closeMidway(beginning: string | Uint8Array): Script {
  return async (exchange) => {
    await exchange.readBody();
    await exchange.write(beginning);
    exchange.close();
  };
}

/**
 * Writes a beginning of a response and resets. RST may overtake bytes the other side has not read: pass `until` (a
 * gate that the test opens when it has seen them) where they must arrive.
 */
export function resetMidway(beginning: string | Uint8Array, until: PromiseLike<unknown> = Promise.resolve()): Script {
  return async (exchange) => {
    await exchange.readBody();
    await exchange.write(beginning);
    await exchange.wait(until);
    exchange.reset();
  };
}

/** A body that ends with the connection, as HTTP/1.0 has it. */
export function closeDelimited(body: string | Uint8Array): Script {
  return closeMidway(response(200, body, { framing: "close", version: "1.0" }));
}

/** Writes the pieces one by one, each when what stands between has settled (ms or a promise). */
export function trickle(
  pieces: readonly (string | Uint8Array)[],
  between: (index: number) => number | PromiseLike<unknown> = () => 1,
): Script {
  return async (exchange) => {
    await exchange.readBody();
    for (const [index, piece] of pieces.entries()) {
      if (index > 0) await exchange.wait(between(index - 1));
      await exchange.write(piece);
    }
  };
}

/** A good answer, then bytes that nobody asked for, at once or once `until` settles. */
export function answerThenJunk(
  junk: string | Uint8Array,
  options: { readonly bytes?: Uint8Array; readonly until?: number | PromiseLike<unknown> } = {},
): Script {
  return async (exchange) => {
    await exchange.readBody();
    await exchange.write(options.bytes ?? response(200, "ok"));
    if (options.until !== undefined) await exchange.wait(options.until);
    await exchange.write(junk);
  };
}

/** 1xx heads first. `heads` without blank line: "HTTP/1.1 103 Early Hints\r\nLink: </a>". */
export function informational(heads: readonly string[], final: Uint8Array = response(200, "ok")): Script {
  return async (exchange) => {
    for (const head of heads) await exchange.write(`${head}\r\n\r\n`);
    await exchange.readBody();
    await exchange.write(final);
  };
}

/** Reads the request and never answers; ends with the connection. */
export function hang(): Script {
  return async (exchange) => {
    await exchange.readBody();
    await exchange.connection.closed;
    exchange.close();
  };
}

/** 101, then every byte back, until the other side ends. */
export function tunnelEcho(protocol = "echo"): Script {
  return async (exchange) => {
    await exchange.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
    const { source } = exchange.connection;
    for (;;) {
      const bytes = await source.readSome(64 * 1024);
      if (bytes === null) break;
      await exchange.write(bytes);
    }
    exchange.close();
  };
}

/** What `echo()` answers, as JSON in UTF-8. Each character of a field value stands for one byte. */
export interface Echo {
  readonly backend: string;
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly fields: readonly Field[];
  readonly bodyLength: number;
  /** Hexadecimal. */
  readonly sha256: string;
  readonly trailers: readonly Field[];
}

/** 200 with the request as JSON (`Echo`), and the backend's name in `X-Backend`. */
export function echo(): Script {
  return async (exchange) => {
    await exchange.readBody();
    const { method, target, version, fields, bodyLength, sha256, trailers } = exchange.request;
    const seen: Echo = { backend: exchange.backend, method, target, version, fields, bodyLength, sha256, trailers };
    const body = method === "HEAD" ? "" : new TextEncoder().encode(JSON.stringify(seen));
    await exchange.write(response(200, body, {
      fields: [["Content-Type", "application/json"], ["X-Backend", exchange.backend]],
    }));
  };
}

/** What `echo()` saw, out of the response that it wrote. */
export function echoOf(reply: { readonly body: Uint8Array }): Echo {
  return JSON.parse(new TextDecoder().decode(reply.body));
}
