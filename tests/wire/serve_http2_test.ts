/**
 * HTTP/2 by frames (RFC 9113), in clear with prior knowledge: when an answer of our own comes, and how its stream ends,
 * to a request with a body that nobody wants; there are clients that lose the answer to a reset while they still send.
 * Bodies that Deno hides, and requests that it should not let pass.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { ByteSource } from "../support/byte_source.ts";
import { answer, response } from "../support/backend_scripts.ts";
import { freePort } from "../support/scripted_backend.ts";
import { Gateway, requestFor, type Site } from "../support/gateway_stage.ts";
import { accessOf } from "../support/proxy_stage.ts";

const FrameType = { data: 0, headers: 1, rst_stream: 3, settings: 4, ping: 6, window_update: 8 } as const;
const Flag = { end_stream: 1, end_headers: 4 } as const;
const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const STREAMS = 12;
const NOTHING = new Uint8Array(0);
const BODY = new Uint8Array(3000).fill(0x61);
/** SETTINGS_INITIAL_WINDOW_SIZE: 0. */
const NO_WINDOW = Uint8Array.of(0, 4, 0, 0, 0, 0);
/** What of an answer is taken from its backend before it is known that the client takes nothing. */
const READ_AHEAD_BYTES_MAX = 256 * 1024;

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
}

class Http2Client implements Disposable {
  readonly #connection: Deno.TcpConn;
  readonly #source: ByteSource;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    this.#source = new ByteSource(connection);
  }

  static async connect(address: string, settings = NOTHING): Promise<Http2Client> {
    const at = address.lastIndexOf(":");
    const port = Number(address.slice(at + 1));
    const connection = await Deno.connect({ hostname: address.slice(0, at), port });
    connection.setNoDelay();
    const client = new Http2Client(connection);
    await client.#write(PREFACE);
    await client.send(FrameType.settings, 0, 0, settings);
    return client;
  }

  async send(type: number, flags: number, stream: number, payload: Uint8Array): Promise<void> {
    const frame = new Uint8Array(9 + payload.length);
    const view = new DataView(frame.buffer);
    view.setUint32(0, payload.length << 8 | type);
    view.setUint8(4, flags);
    view.setUint32(5, stream);
    frame.set(payload, 9);
    await this.#write(frame);
  }

  /** Everything that the server has to say now: what comes before the answer to a PING. */
  async frames(): Promise<Frame[]> {
    await this.send(FrameType.ping, 0, 0, new Uint8Array(8));
    const frames: Frame[] = [];
    for (;;) {
      const frame = await this.#next();
      if (frame.type === FrameType.ping) return frames;
      frames.push(frame);
    }
  }

  /** Types of a stream's frames, up to its end and what follows at once. */
  async typesOf(stream: number, early: readonly Frame[] = []): Promise<number[]> {
    const frames = [...early];
    const isEnd = (frame: Frame) => frame.stream === stream && (frame.flags & Flag.end_stream) !== 0 && frame.type <= 1;
    while (!frames.some(isEnd)) frames.push(await this.#next());
    frames.push(...await this.frames());
    const ofStream = frames.filter((frame) => frame.stream === stream);
    return ofStream.map(({ type }) => type).filter((type) => type !== FrameType.window_update);
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }

  async #next(): Promise<Frame> {
    const head = await this.#take(9);
    const view = new DataView(head.buffer, head.byteOffset);
    await this.#take(view.getUint32(0) >>> 8);
    return { type: head[3], flags: head[4], stream: view.getUint32(5) };
  }

  async #take(count: number): Promise<Uint8Array> {
    while (this.#source.length < count) {
      if (!(await this.#source.fill())) throw new Error("The connection has ended");
    }
    return this.#source.take(count);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }
}

const text = (value: string) => [value.length, ...new TextEncoder().encode(value)];

/** A head in HPACK literals without Huffman (RFC 7541 §6.2.2). */
function head(method: string, site: string, path: string): Uint8Array {
  return new Uint8Array([0x02, ...text(method), 0x86, 0x04, ...text(path), 0x01, ...text(`${site}.test`)]);
}

/** @param length What Content-Length says. */
function post(site: string, length: number): Uint8Array {
  return new Uint8Array([...head("POST", site, "/x"), 0x0f, 0x0d, ...text(String(length))]);
}

Deno.test("serve: an answer of ours to HTTP/2 comes behind a small body that comes behind its head", async (test) => {
  const sites: Site[] = [
    { name: "fixed", action: `respond = { status = 200, body = "fixed" }` },
    { name: "dead", url: `http://127.0.0.1:${freePort()}`, upstream: "retry.attempts = 1" },
  ];
  await using gateway = await Gateway.start({ engine: "serve", sites });
  for (const site of ["fixed", "dead", "nobody"]) {
    await test.step(site, async () => {
      using client = await Http2Client.connect(gateway.sluice.address("web"));
      let patient = 0;
      for (let stream = 1; stream < 2 * STREAMS; stream += 2) {
        await client.send(FrameType.headers, Flag.end_headers, stream, post(site, BODY.length));
        const early = [...await client.frames(), ...await client.frames()];
        await client.send(FrameType.data, Flag.end_stream, stream, BODY);
        if (!early.some((frame) => frame.stream === stream)) patient++;
        assertEquals((await client.typesOf(stream, early)).slice(0, 2), [FrameType.headers, FrameType.data]);
      }
      // Now and then this process is held up for longer than a client is given.
      assert(patient >= STREAMS / 2, `${patient} of ${STREAMS} answers waited for the body`);
    });
  }
  await test.step("a body that does not come holds nothing: its stream is reset behind the answer", async () => {
    using client = await Http2Client.connect(gateway.sluice.address("web"));
    for (let stream = 1; stream < 2 * STREAMS; stream += 2) {
      await client.send(FrameType.headers, Flag.end_headers, stream, post("fixed", BODY.length));
      const types = await client.typesOf(stream);
      for (let times = 0; times < 500 && types.length < 3; times++) {
        types.push(...(await client.frames()).filter((frame) => frame.stream === stream).map(({ type }) => type));
      }
      assertEquals(types, [FrameType.headers, FrameType.data, FrameType.rst_stream]);
    }
  });
});

Deno.test("serve: a body of GET and HEAD that only its DATA frames tell of is seen, and refused", async (test) => {
  await using gateway = await Gateway.start({ engine: "serve", sites: [{ name: "site" }] });
  const cases: [name: string, data: Uint8Array | null, status: number][] = [
    ["no-body", null, 200],
    ["empty-body", NOTHING, 200],
    ["body", BODY, 501],
  ];
  for (const method of ["GET", "HEAD"]) {
    for (const [name, data, status] of cases) {
      for (const isLate of data === null ? [false] : [false, true]) {
        const target = `/${method}-${name}${isLate ? "-late" : ""}`;
        await test.step(target, async () => {
          using client = await Http2Client.connect(gateway.sluice.address("web"));
          const isWhole = data === null ? Flag.end_stream : 0;
          await client.send(FrameType.headers, Flag.end_headers | isWhole, 1, head(method, "site", target));
          if (isLate) await client.frames();
          if (data !== null) await client.send(FrameType.data, Flag.end_stream, 1, data);
          await client.typesOf(1);
          assertEquals((await accessOf(gateway.sluice, target)).status, status);
        });
      }
    }
  }
  const seen = gateway.backend("site").requests.map(({ method, target }) => `${method} ${target}`);
  assertEquals(seen.filter((line) => line.endsWith("-body") && !line.includes("no-") && !line.includes("empty-")), []);
  assertEquals(seen.length, 6);
});

Deno.test("serve: the asterisk form of HTTP/2 is for OPTIONS, and CONNECT gets its answer", async () => {
  await using gateway = await Gateway.start({ engine: "serve", sites: [{ name: "site" }] });
  using client = await Http2Client.connect(gateway.sluice.address("web"));
  const { sluice } = gateway;
  await client.send(FrameType.headers, Flag.end_headers | Flag.end_stream, 1, head("GET", "site", "*"));
  await client.typesOf(1);
  assertEquals((await sluice.waitForAccess(({ method }) => method === "GET")).status, 400);
  await client.send(FrameType.headers, Flag.end_headers | Flag.end_stream, 3, head("OPTIONS", "site", "*"));
  await client.typesOf(3);
  assertEquals((await sluice.waitForAccess(({ method }) => method === "OPTIONS")).status, 200);
  assertEquals(gateway.backend("site").requests.map(({ method, target }) => `${method} ${target}`), ["OPTIONS *"]);
  const connect = new Uint8Array([0x02, ...text("CONNECT"), 0x01, ...text("site.test:80")]);
  await client.send(FrameType.headers, Flag.end_headers | Flag.end_stream, 5, connect);
  const types: number[] = [];
  for (let times = 0; times < 500 && !types.includes(FrameType.rst_stream); times++) {
    types.push(...(await client.frames()).filter(({ stream }) => stream === 5).map(({ type }) => type));
  }
  assertEquals(types, [FrameType.headers, FrameType.data, FrameType.rst_stream]);
});

Deno.test("serve: streams of HTTP/2 that take nothing hold no backend, and bounded bytes", async () => {
  const site: Site = {
    name: "large",
    script: answer(response(200, "x".repeat(1024 * 1024))),
    upstream: `pool.max_connections = ${STREAMS}`,
  };
  const listeners = { web: `limits = { body_timeout = "150ms" }` };
  await using gateway = await Gateway.start({ engine: "serve", sites: [site], listeners });
  using client = await Http2Client.connect(gateway.sluice.address("web"), NO_WINDOW);
  const targets = Array.from({ length: STREAMS }, (_, index) => `/stalled/${index}`);
  for (const [index, target] of targets.entries()) {
    await client.send(
      FrameType.headers,
      Flag.end_headers | Flag.end_stream,
      1 + 2 * index,
      head("GET", "large", target),
    );
  }
  for (const target of targets) {
    const { error, bytes_out } = await accessOf(gateway.sluice, target);
    assertEquals(error, "client_gone");
    assert(Number(bytes_out) <= READ_AHEAD_BYTES_MAX, `${bytes_out} bytes read ahead`);
  }
  const honest = await gateway.send(requestFor("large"));
  assertEquals([honest.status, honest.body.length], [200, 1024 * 1024]);
});
