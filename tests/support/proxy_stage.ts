/** What the end-to-end tests share: parts of configurations, steps around one running proxy, and bodies in bulk. */

import { createHash } from "node:crypto";
import { BodyReader } from "./http_message.ts";
import type { JsonLine } from "./line_log.ts";
import { RawClient, type ResponseHead } from "./raw_client.ts";
import type { SluiceProcess } from "./sluice_process.ts";
import { withDeadline } from "./waiting.ts";

/** Bounds every wait; far more than any of them takes, because the machine may have other work. */
export const PATIENCE_MS = 30_000;

export function listenerToml(name: string, more = ""): string {
  return `[[listeners]]\nname = "${name}"\naddress = "127.0.0.1:0"\n${more}\n`;
}

/** An upstream and the route "/name/*" to it. */
export function upstreamToml(
  name: string,
  urls: readonly string[],
  { keys = "", sections = "" }: { readonly keys?: string; readonly sections?: string } = {},
): string {
  const backends = urls.map((url) => url.startsWith("{") ? url : `{ url = "${url}" }`).join(", ");
  return `[upstreams.${name}]\nbackends = [${backends}]\n${keys}\n${sections}\n` +
    `[[routes]]\nname = "${name}"\npath = "/${name}/*"\nupstream = "${name}"\n`;
}

/** A step that uses what the test around it has opened; leaks are looked for once, when that test ends. */
export function step(t: Deno.TestContext, name: string, fn: () => Promise<void> | void): Promise<boolean> {
  return t.step({ name, fn: async () => await fn(), sanitizeOps: false, sanitizeResources: false });
}

/** The access line of the exchange with this target. */
export function accessOf(sluice: SluiceProcess, target: string): Promise<JsonLine> {
  return sluice.waitForAccess((line) => line.target === target);
}

export async function within<T>(work: PromiseLike<T>, wanted: string): Promise<T> {
  return await withDeadline(work, PATIENCE_MS, () => wanted);
}

export function connect(address: string, tls?: { caCerts: string[]; hostname: string }): Promise<RawClient> {
  return RawClient.connect(address, { deadlineMs: PATIENCE_MS, ...(tls === undefined ? {} : { tls }) });
}

/** Reads a body that is too large to be kept. */
export async function digestBody(
  client: RawClient,
  head: ResponseHead,
  onBytes: (length: number) => void = () => {},
): Promise<{ length: number; sha256: string }> {
  const reader = new BodyReader(client.source, head.framing);
  const hash = createHash("sha256");
  let length = 0;
  for (;;) {
    const piece = await within(reader.read(), `more than ${length} bytes`);
    if (piece === null) return { length, sha256: hash.digest("hex") };
    hash.update(piece);
    length += piece.length;
    onBytes(length);
  }
}

const BLOCK_BYTES = 1024 * 1024;

/** Many MiB, no block like another, made while they are sent. */
export class Bulk {
  readonly length: number;
  readonly #blocks: number;
  readonly #block: Uint8Array<ArrayBuffer> = new Uint8Array(BLOCK_BYTES);
  readonly #hash = createHash("sha256");
  /** Bytes handed out by `send` so far whose write has ended. */
  sent = 0;

  constructor(mebibytes: number) {
    this.length = mebibytes * BLOCK_BYTES;
    this.#blocks = mebibytes;
    for (let at = 0; at < BLOCK_BYTES; at += 65_536) crypto.getRandomValues(this.#block.subarray(at, at + 65_536));
  }

  /** The hash of what was sent. */
  get sha256(): string {
    return this.#hash.copy().digest("hex");
  }

  async send(write: (block: Uint8Array<ArrayBuffer>) => Promise<void>): Promise<void> {
    const stamp = new DataView(this.#block.buffer);
    for (let index = 0; index < this.#blocks; index++) {
      stamp.setUint32(0, index);
      this.#hash.update(this.#block);
      await write(this.#block);
      this.sent += BLOCK_BYTES;
    }
  }
}

/** The largest resident memory of a process that was seen since, in bytes beyond what it was at the beginning. */
export class MemoryWatch {
  readonly #sluice: SluiceProcess;
  readonly #before: number;
  #most: number;

  constructor(sluice: SluiceProcess) {
    this.#sluice = sluice;
    this.#before = this.#most = sluice.rssBytes();
  }

  look(): void {
    this.#most = Math.max(this.#most, this.#sluice.rssBytes());
  }

  get grownBytes(): number {
    this.look();
    return this.#most - this.#before;
  }
}
