/**
 * The way out of a connection: one request at a time, whole or with its body piece by piece.
 *
 * Sending is not waited for: the response is what tells how it went, so the one await of an exchange is the one for its
 * head. A response that has come to its end before its request leaves a connection that can't be used again.
 */

import type { ByteWriter } from "../../base/byte_writer.ts";
import { ProxyError } from "../../base/errors.ts";
import { lendWriter, takeBackWriter } from "../../base/lent_writers.ts";
import type { OutgoingRequest } from "../outgoing_request.ts";
import type { Socket } from "../socket.ts";
import { encodeRequest } from "./encode_request.ts";
import { upload, type UploadTarget } from "./upload.ts";

/** The connection. */
interface SenderOwner {
  /** What an error of the socket means. */
  failure(error: unknown): ProxyError;
  /** Nothing more can be sent. */
  abort(error: ProxyError): void;
}

export class Sender implements UploadTarget {
  /** A request is on its way out; for good when it broke off. */
  isSending = false;
  readonly #socket: Socket;
  readonly #owner: SenderOwner;
  readonly #onSent: (written: number) => void;
  readonly #onSendFailed: (error: unknown) => void;
  #out: ByteWriter | null = null;

  constructor(socket: Socket, owner: SenderOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.#onSent = (written) => this.#sent(written);
    this.#onSendFailed = (error) => this.#owner.abort(new ProxyError("connection_reset", "", error));
  }

  /** Where a request is written; the same one until it is out, or the connection is parked. */
  get out(): ByteWriter {
    return this.#out ??= lendWriter();
  }

  /** As in `BackendStream`. */
  send(request: OutgoingRequest): boolean {
    const { out } = this;
    out.reset();
    const isWhole = encodeRequest(out, request);
    if (isWhole) {
      this.sendOut();
    } else {
      this.isSending = true;
      upload(this, request.body!, request.bodyLength);
    }
    return isWhole;
  }

  /** Writes what is in `out`, which must stay as it is, and is not waited for. */
  sendOut(): void {
    this.isSending = true;
    this.#socket.write(this.out.view()).then(this.#onSent, this.#onSendFailed);
  }

  /** @throws {ProxyError} `connection_reset`, or what the connection was aborted with. */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      let written = await this.#socket.write(bytes);
      while (written < bytes.length) written += await this.#socket.write(bytes.subarray(written));
    } catch (error) {
      throw this.#owner.failure(error);
    }
  }

  uploaded(): void {
    this.isSending = false;
  }

  /** Nothing of it is needed any more. */
  giveBackOut(): void {
    if (this.#out !== null) takeBackWriter(this.#out);
    this.#out = null;
  }

  #sent(written: number): void {
    if (written < this.out.length) {
      this.#sendRest(written);
      return;
    }
    this.isSending = false;
    this.giveBackOut(); // nobody writes to it behind a request that is whole
  }

  async #sendRest(written: number): Promise<void> {
    try {
      await this.write(this.out.view().subarray(written));
      this.isSending = false;
    } catch (error) {
      this.#onSendFailed(error);
    }
  }
}
