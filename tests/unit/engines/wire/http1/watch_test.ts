/** What the wire engine finds out about a client that sends ahead: in bounded memory, and not hidden by what was sent. */

import { assert, assertEquals } from "@std/assert";
import { WireInput } from "../../../../../lib/engines/wire/http1/input.ts";
import { WireWatch } from "../../../../../lib/engines/wire/http1/watch.ts";
import { Head } from "../../../../../lib/http1/head.ts";
import { Deadlines, TICK_MS } from "../../../../../lib/transport/deadlines.ts";
import { Socket } from "../../../../../lib/transport/socket.ts";

const BOUNDS = { bytesMax: 32 * 1024, fieldsMax: 100, targetBytesMax: 32 * 1024 };
const REQUEST = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HALF_CLOSE_MS = 1000;
/** Longer than any bound in the watch. */
const LONG_MS = 60_000;

/** Gives `text` to its reads, as much as each takes, and then its end, if it has one. */
class Conn {
  text = "";
  hasEnd = false;
  bufferBytesMax = 0;
  #wake: (() => void) | null = null;

  send(text: string): void {
    this.text += text;
    this.#wake?.();
  }

  end(): void {
    this.hasEnd = true;
    this.#wake?.();
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.bufferBytesMax = Math.max(this.bufferBytesMax, into.buffer.byteLength);
    while (this.text === "" && !this.hasEnd) await new Promise<void>((resolve) => this.#wake = resolve);
    if (this.text === "") return null;
    const { written } = new TextEncoder().encodeInto(this.text, into);
    this.text = this.text.slice(written);
    return written;
  }
}

class Stage {
  nowMs = 0;
  wasTold = 0;
  isAheadOfTurn = true;
  readonly conn = new Conn();
  readonly input = new WireInput(new Socket(this.conn as unknown as Deno.Conn));
  readonly head = new Head();
  readonly deadlines = new Deadlines(() => this.nowMs);
  readonly watch = new WireWatch({
    input: this.input,
    deadlines: this.deadlines,
    halfCloseMs: HALF_CLOSE_MS,
    isAheadOfTurn: () => this.isAheadOfTurn,
  });

  /** With a request under way that wants to know. */
  static async start(sent: string): Promise<Stage> {
    const stage = new Stage();
    stage.conn.send(REQUEST + sent);
    while (!stage.input.takeHead(stage.head, BOUNDS)) await stage.input.fill();
    stage.watch.begin(stage.head, () => stage.wasTold++);
    await settle();
    return stage;
  }

  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    this.deadlines.tick(this.nowMs);
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await undefined;
}

Deno.test("WireWatch sees an end behind requests that were sent ahead, and keeps them", async () => {
  const stage = await Stage.start(REQUEST.repeat(100));
  stage.conn.end();
  await settle();
  assertEquals([stage.input.isEnded, stage.wasTold], [true, 0]);
  await stage.pass(HALF_CLOSE_MS - TICK_MS);
  assertEquals([stage.watch.isGone, stage.wasTold], [false, 0]);
  await stage.pass(3 * TICK_MS);
  assertEquals([stage.watch.isGone, stage.wasTold], [true, 1]);
  assertEquals(stage.input.takeAll().length, 100 * REQUEST.length);
  assertEquals(stage.deadlines.size, 0);
});

Deno.test("WireWatch counts from the end, over all requests that came before it", async () => {
  const stage = await Stage.start(REQUEST);
  stage.conn.end();
  await settle();
  stage.watch.end(); // the first is answered
  await stage.pass(HALF_CLOSE_MS / 2);
  stage.watch.begin(stage.head, () => stage.wasTold++);
  await stage.pass(HALF_CLOSE_MS / 2 + 2 * TICK_MS);
  assertEquals(stage.wasTold, 1);
  stage.watch.begin(stage.head, () => stage.wasTold++);
  assertEquals(stage.wasTold, 2); // at once: there is nobody
});

Deno.test("WireWatch reads off what is too much to be kept, after a while, and sees the end behind it", async () => {
  const stage = await Stage.start("x".repeat(500_000));
  assert(stage.conn.bufferBytesMax <= 32 * 1024, `${stage.conn.bufferBytesMax} bytes`);
  assert(stage.conn.text.length > 400_000);
  await stage.pass(1000);
  assertEquals(stage.input.isCut, false); // a client that is answered soon loses nothing
  stage.conn.end();
  for (let tick = 0; tick < 20; tick++) await stage.pass(LONG_MS / 20);
  assertEquals([stage.input.isCut, stage.input.isEnded, stage.wasTold], [true, true, 1]);
});

Deno.test("WireWatch drops nothing of a body or a tunnel", async () => {
  const stage = await Stage.start("");
  stage.isAheadOfTurn = false;
  stage.conn.send("x".repeat(50_000));
  await settle();
  await stage.pass(LONG_MS);
  assertEquals([stage.input.isCut, stage.conn.text.length > 0], [false, true]);
  let got = stage.input.takeAll().length;
  stage.watch.close();
  while (got < 50_000) got += (await stage.input.readRaw(new Uint8Array(8192))).length;
  assertEquals(got, 50_000);
});

Deno.test("WireWatch leaves what a read brings to the next request once its exchange is over", async () => {
  const stage = await Stage.start("");
  stage.watch.end();
  stage.input.compact();
  stage.conn.send(REQUEST);
  await settle();
  stage.head.reset();
  assertEquals(stage.input.takeHead(stage.head, BOUNDS), false);
  await stage.input.fill();
  assertEquals(stage.input.takeHead(stage.head, BOUNDS), true);
});
