/**
 * Requests to the admin API, each on a connection of its own. Made with our own transport and not with `fetch`, which
 * would go through the HTTP_PROXY of the environment, token and all, and knows no Unix sockets.
 */

import { END } from "../base/body_piece.ts";
import type { OutcomeView } from "../admin/views.ts";
import { ProxyError } from "../base/errors.ts";
import { requestLine } from "../http1/encode.ts";
import { Connection } from "../transport/http1/connection.ts";
import type { ResponseBounds } from "../transport/http1/response_bounds.ts";
import { dial } from "../transport/dial.ts";
import { AdminError, type AdminTarget, targetText } from "./admin_target.ts";
import { VERSION } from "./version.ts";

export interface AdminRequest {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  /** With `POST` and `PUT`. */
  readonly body?: { readonly type: "application/json" | "application/toml"; readonly text: string };
  /** Default: 5 s. */
  readonly timeoutMs?: number;
}

export interface AdminResponse {
  readonly status: number;
  readonly text: string;
}

/** A proxy that is well answers within milliseconds. */
const TIMEOUT_MS = 5000;
/** A thousand backends take half a megabyte. */
const BODY_BYTES_MAX = 32 * 2 ** 20;
const BOUNDS: ResponseBounds = {
  head: { bytesMax: 32 * 1024, fieldsMax: 100, targetBytesMax: 0 },
  body: { chunkHeadBytesMax: 256, trailerBytesMax: 1024, trailerFieldsMax: 16 },
};

export class AdminClient {
  readonly target: AdminTarget;

  constructor(target: AdminTarget) {
    this.target = target;
  }

  /** @throws {AdminError} When there is no answer, or another than 200. */
  get<T extends object>(path: string): Promise<T> {
    return this.ask({ method: "GET", path });
  }

  /** @throws {AdminError} When there is no answer, or another than 200. */
  async ask<T extends object>(request: AdminRequest): Promise<T> {
    const response = await this.send(request);
    if (response.status !== 200) throw this.#refusal(response);
    return this.#json(response) as T;
  }

  /** @returns What came of it, also when nothing did. @throws {AdminError} When there is no answer, or no such one. */
  async command(request: AdminRequest): Promise<OutcomeView> {
    const response = await this.send(request);
    const isOutcome = response.status !== 401 && /"ok"\s*:/.test(response.text);
    if (response.status !== 200 && !isOutcome) throw this.#refusal(response);
    return this.#json(response) as OutcomeView;
  }

  /** @throws {AdminError} When there is no answer. */
  async send(request: AdminRequest): Promise<AdminResponse> {
    const timeoutMs = request.timeoutMs ?? TIMEOUT_MS;
    const { address } = this.target;
    let connection: Connection | null = null;
    let timer: ReturnType<typeof setTimeout> | null = null;
    try {
      const tls = { ca: "", cert: "", key: "", serverName: "" };
      connection = new Connection(await dial({ address, tls, timeoutMs }), BOUNDS, 0);
      timer = setTimeout(() => connection!.abort(new ProxyError("response_timeout")), timeoutMs);
      connection.beginExchange();
      return await exchange(connection, this.#encode(connection, request), request.method);
    } catch (error) {
      throw this.#unreachable(error, timeoutMs);
    } finally {
      if (timer !== null) clearTimeout(timer);
      connection?.close();
    }
  }

  /** @returns What to write. */
  #encode({ out }: Connection, { method, path, body }: AdminRequest): Uint8Array[] {
    requestLine(out, method, path);
    out.field("host", this.target.host);
    out.ascii(`user-agent: sluice/${VERSION}\r\naccept: application/json\r\nconnection: close\r\n`);
    if (this.target.token !== "") out.field("authorization", `Bearer ${this.target.token}`);
    const bytes = new TextEncoder().encode(body?.text ?? "");
    if (method !== "GET") {
      out.ascii(`x-sluice-admin: 1\r\ncontent-type: ${body?.type ?? "application/json"}\r\n`);
      out.ascii(`content-length: ${bytes.length}\r\n`);
    }
    out.ascii("\r\n");
    return bytes.length === 0 ? [out.view()] : [out.view(), bytes];
  }

  #unreachable(error: unknown, timeoutMs: number): AdminError {
    if (error instanceof AdminError) return error;
    if (!(error instanceof ProxyError)) throw error;
    const where = `the admin API at ${targetText(this.target)}`;
    const options = { cause: error };
    if (error.cause instanceof Deno.errors.NotCapable) {
      return new AdminError(`Not allowed to reach ${where}: run with $(sluice permissions --admin)`, options);
    }
    switch (error.code) {
      case "connect_refused":
        return new AdminError(
          `Cannot reach ${where}: connection refused. Is sluice running, with an [admin] section?`,
          options,
        );
      case "connect_timeout":
      case "response_timeout":
        return new AdminError(`Waited ${timeoutMs / 1000} s for ${where} in vain`, options);
      case "connect_failed":
        return new AdminError(
          `Cannot reach ${where}: ${error.cause instanceof Error ? error.cause.message : "it failed"}`,
          options,
        );
      default:
        return new AdminError(`Cannot talk to ${where}: ${error.code}`, options);
    }
  }

  #refusal({ status, text }: AdminResponse): AdminError {
    const where = targetText(this.target);
    const said = messageIn(text);
    if (status === 401) {
      const token = this.target.token === "" ? "needs a token" : "does not take this token";
      return new AdminError(`The admin API at ${where} ${token} (401): set SLUICE_ADMIN_TOKEN or --token`);
    }
    return new AdminError(`The admin API at ${where} answered ${status}${said === "" ? "" : `: ${said}`}`);
  }

  #json({ text }: AdminResponse): object {
    try {
      const value = JSON.parse(text);
      if (typeof value === "object" && value !== null) return value;
    } catch {
      // It is said below what it is not.
    }
    throw new AdminError(`What is at ${targetText(this.target)} is not the admin API of sluice: it answered no JSON`);
  }
}

async function exchange(
  connection: Connection,
  pieces: readonly Uint8Array[],
  method: string,
): Promise<AdminResponse> {
  for (const piece of pieces) await connection.write(piece);
  await connection.readHead({ method, passInformational: () => {} });
  const { status } = connection.head;
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const piece = await connection.readBody();
    if (piece === END) return { status, text: text + decoder.decode() };
    text += decoder.decode(piece, { stream: true });
    if (text.length > BODY_BYTES_MAX) throw new AdminError("The answer is larger than any that sluice gives");
  }
}

/** What a JSON error says of itself; "" when it is none. */
function messageIn(text: string): string {
  try {
    const { message, error } = JSON.parse(text);
    return typeof message === "string" ? message : typeof error === "string" ? error : "";
  } catch {
    return "";
  }
}
