/** A backend's streams over sockets without a network, its clock under the control of a test. */

import { END } from "../../../../lib/base/body_piece.ts";
import { ProxyError } from "../../../../lib/base/errors.ts";
import type { Head } from "../../../../lib/http1/head.ts";
import type { BackendStream, Claimant } from "../../../../lib/transport/backend_stream.ts";
import { Connection } from "../../../../lib/transport/http1/connection.ts";
import { Deadlines } from "../../../../lib/transport/deadlines.ts";
import { PipelinePool } from "../../../../lib/transport/http1/pipeline_pool.ts";
import { Pool } from "../../../../lib/transport/pool.ts";
import { NO_BUDGET, type PoolSettings } from "../../../../lib/transport/pool_settings.ts";
import { Waiter } from "../../../../lib/transport/stream_source.ts";
import { toText } from "../../../support/wire_bytes.ts";
import { FakeConn, outgoing, RESPONSE_BOUNDS } from "../transport_fakes.ts";

const SETTINGS: PoolSettings = {
  connectionsMax: 4,
  tunnelsMax: 0,
  idleMax: 4,
  idleMin: 0,
  idleTimeoutMs: 60_000,
  ageMsMax: 3_600_000,
  exchangesMax: 0,
  queueMax: 100,
  queueTimeoutMs: 1000,
};

export const CLIENT: Claimant = {
  clientIp: "127.0.0.1",
  request: { upgrade: "" },
  stalledMs: () => 0,
  cancel: () => {},
};

export class PipelineStage {
  nowMs = 1000;
  /** In the order in which they were dialled. */
  readonly conns: FakeConn[] = [];
  readonly fallbacks: number[] = [];
  readonly deadlines: Deadlines = new Deadlines(() => this.nowMs);
  readonly pool: Pool;
  readonly pipelines: PipelinePool;

  constructor(depthMax = 8, settings: Partial<PoolSettings> = {}) {
    const all = { ...SETTINGS, ...settings };
    this.pool = new Pool("x/y", all, {
      deadlines: this.deadlines,
      descriptors: NO_BUDGET,
      nowMs: () => this.nowMs,
      dial: () => {
        const conn = new FakeConn();
        this.conns.push(conn);
        return Promise.resolve(new Connection(conn.asConn(), RESPONSE_BOUNDS, this.nowMs));
      },
    });
    this.pipelines = new PipelinePool(this.pool, { ...all, depthMax }, {
      deadlines: this.deadlines,
      nowMs: () => this.nowMs,
      onFallback: ({ lost }) => this.fallbacks.push(lost),
    });
  }

  /** Sends a request, as soon as there is a place for it. */
  request(target: string, method = "GET"): TestExchange {
    return new TestExchange(this, target, method);
  }

  /** Answers one after another, then in pairs, until as many as may be can be in flight on one connection. */
  async warmUp(depth: number): Promise<void> {
    const first = this.request("/first");
    await settled();
    this.conns[0].push(answerTo("/first"));
    await first.done;
    while (this.pipelines.depth < depth) {
      const pair = [this.request("/a"), this.request("/b")];
      await settled();
      this.conns[0].push(answerTo("/a") + answerTo("/b"));
      await Promise.all(pair.map(({ done }) => done));
    }
    this.conns[0].written = "";
  }

  advance(ms: number): void {
    this.nowMs += ms;
    this.deadlines.tick(this.nowMs);
  }
}

export class TestExchange {
  readonly target: string;
  /** "200 body", or the code of the error. */
  readonly done: Promise<string>;
  readonly informational: number[] = [];
  stream: BackendStream | null = null;
  outcome = "";
  /** Keeps the stream after the head was read until it is let go. */
  readonly #stage: PipelineStage;

  constructor(stage: PipelineStage, target: string, method: string) {
    this.target = target;
    this.#stage = stage;
    this.done = this.#run(method).then((outcome) => this.outcome = outcome);
  }

  /** The exchange is cancelled, as by a client that leaves. */
  cancel(): void {
    this.stream!.abort(new ProxyError("client_gone"));
  }

  async #run(method: string): Promise<string> {
    const { pipelines } = this.#stage;
    let stream: BackendStream | null = null;
    try {
      const got = pipelines.acquire(this.#stage.nowMs, CLIENT);
      stream = this.stream = got instanceof Waiter ? await got.stream : got;
      stream.send(outgoing({ method, path: this.target }));
      const request = { method, passInformational: (head: Head) => void this.informational.push(head.status) };
      while (!stream.takeHead(request)) stream.took(await stream.reading());
      const { status } = stream.head;
      let body = "";
      for (let piece = await stream.readBody(); piece !== END; piece = await stream.readBody()) body += toText(piece);
      return `${status} ${body}`.trimEnd();
    } catch (error) {
      stream?.close();
      return error instanceof ProxyError ? error.code : String(error);
    } finally {
      if (stream !== null) pipelines.release(stream, this.#stage.nowMs);
    }
  }
}

/** 200 with the target as the body. */
export function answerTo(target: string, ...lines: string[]): string {
  const fields = lines.map((line) => `${line}\r\n`).join("");
  return `HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n${fields}\r\n${target}`;
}

/** Targets of the requests in what was written. */
export function targetsIn(written: string): string[] {
  return [...written.matchAll(/^[A-Z]+ (\S+) HTTP\/1\.1\r$/gm)].map(([, target]) => target);
}

/** Lets everything happen that does not need the outside. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await undefined;
}
