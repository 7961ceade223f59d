/**
 * A request of the wire engine as the core sees it: offsets into the connection's buffer, and no string until one is
 * asked for.
 */

import { ByteWriter } from "../../../base/byte_writer.ts";
import type { EmitField } from "../../../base/emit_field.ts";
import { ProxyError } from "../../../base/errors.ts";
import { FIELD_NAMES, FieldId, fieldIdOfName } from "../../../base/field_names.ts";
import type { FieldEdits } from "../../../fields/edits.ts";
import { type ConnectionOptions, NO_CONNECTION_OPTIONS, teTrailers } from "../../../fields/hop_by_hop.ts";
import { requestFraming } from "../../../http1/framing.ts";
import { BodyKind, type Framing } from "../../../http1/body_kind.ts";
import { Derivation } from "../../../http1/field_memory.ts";
import type { Head } from "../../../http1/head.ts";
import { connectionOptions } from "../../../proxy/message/connection_options.ts";
import { copyFields, eachField } from "../../../proxy/message/copy_fields.ts";
import type { FieldFilter } from "../../../proxy/message/field_filter.ts";
import { NO_BODY, type ProxyRequest, UNKNOWN_LENGTH } from "../../../proxy/message/request.ts";
import { hostOf, type WireTarget, wireTarget } from "./target.ts";

/** `docker exec` sends a few hundred bytes of JSON. */
const UPGRADE_BODY_BYTES_MAX = 64 * 1024;

/** What a request needs of its connection. */
export interface WireBodySource {
  /** What is here of the body, the caller's own; null for nothing. @throws {ProxyError} */
  takeReceived(): Uint8Array | null;
  readonly isBodyTaken: boolean;
  /** A 1xx, whole, which is the source's from now on. */
  sendInformational(out: ByteWriter): void;
  /** The next piece of the body, the caller's until `reuse()`; null at the end. @throws {ProxyError} */
  readBody(): Promise<Uint8Array | null>;
  reuse(piece: Uint8Array): void;
  /** Trailers of the body that has ended. */
  bodyTrailers(): Head | null;
  /** A 1xx of the backend. */
  passInformational(head: Head, edits: FieldEdits): void;
  watchClient(onGone: () => void): void;
}

export interface WirePeer {
  readonly peerIp: string;
  readonly isSecure: boolean;
  readonly bodyTimeoutMs: number;
  readonly bodyRateMin: number;
  readonly bodyBytesMax: number;
}

/** What the fields of a request say whatever its request line is, but for the version. */
interface FieldFacts {
  readonly framing: Framing;
  readonly host: string;
  readonly connectionOptions: ConnectionOptions;
  readonly bodyLength: number;
  readonly upgrade: string;
  readonly takesTrailers: boolean;
}

export class WireRequest implements ProxyRequest {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly isSecure: boolean;
  readonly peerIp: string;
  readonly upgrade: string;
  readonly bodyLength: number;
  readonly bodyTimeoutMs: number;
  readonly bodyRateMin: number;
  readonly framing: Framing;
  readonly isHttp10: boolean;
  readonly connectionOptions: ConnectionOptions;
  /** 1xx and chunked bodies are only for those who speak HTTP/1.1. */
  readonly takesTrailers: boolean;
  readonly head: Head;
  readonly #source: WireBodySource;

  /**
   * @param head Decoded, and its bytes untouched until the exchange is over.
   * @throws {ProxyError} for what makes the request one that can't be served: framing, Host, target, size.
   */
  constructor(head: Head, source: WireBodySource, peer: WirePeer) {
    this.head = head;
    this.#source = source;
    this.method = head.method;
    this.isHttp10 = head.minorVersion === 0;
    this.isSecure = peer.isSecure;
    this.peerIp = peer.peerIp;
    this.bodyTimeoutMs = peer.bodyTimeoutMs;
    this.bodyRateMin = peer.bodyRateMin;
    const facts = factsOf(head);
    this.framing = facts.framing;
    this.connectionOptions = facts.connectionOptions;
    this.bodyLength = facts.bodyLength;
    this.upgrade = facts.upgrade;
    this.takesTrailers = facts.takesTrailers;
    const { authority, target }: WireTarget = wireTarget(head, facts.host);
    this.authority = authority;
    this.target = target;
    if (peer.bodyBytesMax > 0 && this.bodyLength > peer.bodyBytesMax) throw new ProxyError("request_body_too_large");
  }

  get protocol(): string {
    return this.isHttp10 ? "HTTP/1.0" : "HTTP/1.1";
  }

  field(lowerName: string): string | null {
    const head = this.head;
    const id = fieldIdOfName(lowerName);
    if (id !== FieldId.unknown) return id === FieldId.cookie ? joined(head, id, "; ") : head.get(id);
    let text: string | null = null;
    for (let index = 0; index < head.count; index++) {
      if (FIELD_NAMES[head.ids[index]] !== "" || head.lowerName(index) !== lowerName) continue;
      text = text === null ? head.value(index) : `${text}, ${head.value(index)}`;
    }
    return text;
  }

  hasUnderscores(): boolean {
    return this.head.has(FieldId.underscored) || this.head.has(FieldId.lookalike);
  }

  writeFields(out: ByteWriter, filter: FieldFilter): void {
    copyFields(out, this.head, filter);
  }

  eachField(emit: EmitField, filter: FieldFilter): void {
    eachField(emit, this.head, filter);
  }

  takeReceived(): Uint8Array | null {
    return this.#source.takeReceived();
  }

  get isBodyTaken(): boolean {
    return this.#source.isBodyTaken;
  }

  askForBody(): boolean {
    const isAsked = !this.isHttp10 && this.field("expect")?.toLowerCase() === "100-continue";
    if (!isAsked) return false;
    const out = new ByteWriter(64);
    out.ascii("HTTP/1.1 100 Continue\r\n\r\n");
    this.#source.sendInformational(out);
    return true;
  }

  readBody(): Promise<Uint8Array | null> {
    return this.#source.readBody();
  }

  reuse(piece: Uint8Array): void {
    this.#source.reuse(piece);
  }

  bodyTrailers(): Head | null {
    return this.#source.bodyTrailers();
  }

  /** The connection decides what becomes of the rest once the response is out. */
  cancelBody(): void {}

  passInformational(head: Head, edits: FieldEdits): void {
    if (!this.isHttp10) this.#source.passInformational(head, edits);
  }

  watchClient(onGone: () => void): void {
    this.#source.watchClient(onGone);
  }
}

const FACTS = new Derivation<FieldFacts>();

/** @throws {ProxyError} `request_framing_invalid`, `host_invalid`. */
function factsOf(head: Head): FieldFacts {
  const known = FACTS.of(head.block);
  if (known !== null) return known;
  const facts = deriveFacts(head);
  FACTS.note(head.block, facts);
  return facts;
}

function deriveFacts(head: Head): FieldFacts {
  const framing = requestFraming(head);
  const host = hostOf(head);
  const options = connectionOptions(head);
  return {
    framing,
    host,
    connectionOptions: options,
    bodyLength: lengthOf(framing, head),
    upgrade: options.upgrade ? wantedUpgrade(head, framing) : "",
    takesTrailers: head.has(FieldId.te) && head.minorVersion === 1 && teTrailers(head.get(FieldId.te)!),
  };
}

/**
 * Any protocol that the backend agrees to, but for HTTP/2 in clear (RFC 9113 dropped it): through a tunnel of that kind
 * requests would pass unseen. A body goes before the switch (RFC 9110 §7.8); one that is not small makes it an ordinary request.
 */
function wantedUpgrade(head: Head, framing: Framing): string {
  if (head.minorVersion === 0 || framing.kind === BodyKind.chunked) return "";
  if (framing.kind === BodyKind.length && framing.length > UPGRADE_BODY_BYTES_MAX) return "";
  const upgrade = head.get(FieldId.upgrade)?.toLowerCase() ?? "";
  return upgrade.startsWith("h2c") || upgrade.includes(",") ? "" : upgrade;
}

function lengthOf(framing: Framing, head: Head): number {
  if (framing.kind === BodyKind.chunked) return UNKNOWN_LENGTH;
  if (framing.kind === BodyKind.length) return framing.length;
  return head.has(FieldId.content_length) ? 0 : NO_BODY;
}

function joined(head: Head, id: number, separator: string): string | null {
  let text: string | null = null;
  for (let index = head.find(id); index >= 0; index = head.find(id, index + 1)) {
    text = text === null ? head.value(index) : text + separator + head.value(index);
  }
  return text;
}

/** Stands for a request whose head could not be read, so that its refusal is answered and logged like any other. */
export class UnreadableRequest implements ProxyRequest {
  readonly method: string = "-";
  readonly target: string = "/";
  readonly authority: string = "";
  readonly protocol: string = "HTTP/1.1";
  readonly upgrade: string = "";
  readonly bodyLength: number = NO_BODY;
  readonly bodyTimeoutMs: number = 0;
  readonly bodyRateMin: number = 0;
  readonly takesTrailers: boolean = false;
  readonly isBodyTaken: boolean = true;
  readonly connectionOptions: ConnectionOptions = NO_CONNECTION_OPTIONS;
  readonly head: null = null;
  readonly isSecure: boolean;
  readonly peerIp: string;

  constructor({ isSecure, peerIp }: WirePeer) {
    this.isSecure = isSecure;
    this.peerIp = peerIp;
  }

  field(): string | null {
    return null;
  }

  hasUnderscores(): boolean {
    return false;
  }

  writeFields(): void {}

  eachField(): void {}

  takeReceived(): null {
    return null;
  }

  askForBody(): boolean {
    return false;
  }

  readBody(): Promise<Uint8Array | null> {
    return Promise.resolve(null);
  }

  reuse(): void {}

  bodyTrailers(): null {
    return null;
  }

  passInformational(): void {}

  cancelBody(): void {}

  watchClient(): void {}
}
