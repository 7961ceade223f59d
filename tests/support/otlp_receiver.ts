/**
 * A collector: takes OTLP over HTTP as JSON, and remembers every span. It can also refuse, hang, or be slow.
 */

import { DEADLINE_MS, type Gate, Watch } from "./waiting.ts";

type OtlpValue = { readonly stringValue?: string; readonly intValue?: number | string; readonly doubleValue?: number };
type OtlpAttributes = ReadonlyArray<{ readonly key: string; readonly value: OtlpValue }>;

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: OtlpAttributes;
  readonly events: ReadonlyArray<{ name: string; timeUnixNano: string; attributes: OtlpAttributes }>;
  readonly status: { readonly code: number };
  readonly flags: number;
}

interface OtlpRequest {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: OtlpAttributes };
    readonly scopeSpans: ReadonlyArray<{ readonly spans: readonly OtlpSpan[] }>;
  }>;
}

export type Attributes = Readonly<Record<string, string | number>>;

export interface ReceivedSpan {
  readonly service: string;
  readonly name: string;
  readonly kind: "server" | "client";
  readonly traceId: string;
  readonly spanId: string;
  /** "" for none. */
  readonly parentId: string;
  readonly tracestate: string;
  readonly isParentRemote: boolean;
  /** ms since the epoch. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  readonly events: ReadonlyArray<{ readonly name: string; readonly atMs: number; readonly attributes: Attributes }>;
  readonly isError: boolean;
}

export interface ReceiverOptions {
  readonly port?: number;
  /** What answers a request, after its spans were taken. Default: 200. */
  readonly respond?: (count: number) => Response | Promise<Response>;
  /** Nothing is answered before it opens. */
  readonly gate?: Gate;
}

export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  /** Processes or threads that sent some. */
  readonly instances: Set<string> = new Set();
  /** Fields of each request. */
  readonly requests: Headers[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #watch = new Watch();

  private constructor({ port = 0, respond = taken, gate }: ReceiverOptions) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, async (request) => {
      const body: OtlpRequest = await request.json();
      this.requests.push(request.headers);
      this.#watch.notify();
      await gate?.opened;
      const response = await respond(this.requests.length);
      if (response.ok && new URL(request.url).pathname === "/v1/traces") this.#take(body);
      this.#watch.notify();
      return response;
    });
  }

  static start(options: ReceiverOptions = {}): OtlpReceiver {
    return new OtlpReceiver(options);
  }

  get port(): number {
    return this.#server.addr.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/v1/traces`;
  }

  /** @returns All spans of the trace, once there are `count` of them. */
  async waitForTrace(traceId: string, count: number, deadlineMs = DEADLINE_MS): Promise<ReceivedSpan[]> {
    const found = () => this.spans.filter((span) => span.traceId === traceId);
    await this.waitFor(() => found().length >= count, `${count} spans of trace ${traceId}`, deadlineMs);
    return found();
  }

  /** @returns The first server span that `isWanted`, and the client spans below it. */
  async waitForServer(isWanted: (span: ReceivedSpan) => boolean, deadlineMs = DEADLINE_MS): Promise<ServedTrace> {
    const find = () => this.spans.find((span) => span.kind === "server" && isWanted(span));
    await this.waitFor(() => find() !== undefined, "a server span", deadlineMs);
    const server = find()!;
    const attempts = this.spans.filter((span) => span.kind === "client" && span.traceId === server.traceId);
    return { server, attempts: attempts.sort((one, other) => one.startMs - other.startMs) };
  }

  waitFor(isMet: () => boolean, wanted: string, deadlineMs = DEADLINE_MS): Promise<void> {
    return this.#watch.until(isMet, () => `${wanted}; got ${this.spans.map(labelOf).join(", ")}`, deadlineMs);
  }

  #take(body: OtlpRequest): void {
    for (const { resource } of body.resourceSpans) {
      this.instances.add(String(attributesOf(resource.attributes)["service.instance.id"]));
    }
    this.spans.push(...spansOf(body));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

export interface ServedTrace {
  readonly server: ReceivedSpan;
  /** In the order of their beginnings. */
  readonly attempts: readonly ReceivedSpan[];
}

function taken(): Response {
  return Response.json({});
}

function* spansOf({ resourceSpans }: OtlpRequest): Generator<ReceivedSpan> {
  for (const { resource, scopeSpans } of resourceSpans) {
    const service = String(attributesOf(resource.attributes)["service.name"]);
    for (const { spans } of scopeSpans) for (const span of spans) yield decode(span, service);
  }
}

function decode(span: OtlpSpan, service: string): ReceivedSpan {
  return {
    service,
    name: span.name,
    kind: span.kind === 2 ? "server" : "client",
    traceId: span.traceId,
    spanId: span.spanId,
    parentId: span.parentSpanId ?? "",
    tracestate: span.traceState ?? "",
    isParentRemote: (span.flags & 0x200) !== 0,
    startMs: msOf(span.startTimeUnixNano),
    endMs: msOf(span.endTimeUnixNano),
    attributes: attributesOf(span.attributes),
    events: span.events.map(({ name, timeUnixNano, attributes }) => ({
      name,
      atMs: msOf(timeUnixNano),
      attributes: attributesOf(attributes),
    })),
    isError: span.status.code === 2,
  };
}

function attributesOf(list: OtlpAttributes): Attributes {
  return Object.fromEntries(
    list.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue ?? value.doubleValue)]),
  );
}

function msOf(nano: string): number {
  return Number(BigInt(nano) / 1000n) / 1000;
}

function labelOf({ name, traceId, kind }: ReceivedSpan): string {
  return `${kind} "${name}" of ${traceId}`;
}
