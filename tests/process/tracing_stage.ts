/** What the tests of tracing share: a configuration, a client, and a look at what its backend was told. */

import { assert, assertEquals } from "../support/assert.ts";
import { echoOf } from "../support/backend_scripts.ts";
import type { RawResponse } from "../support/raw_client.ts";
import type { SluiceProcess } from "../support/sluice_process.ts";
import { connect } from "../support/proxy_stage.ts";

export const ENGINES = ["serve", "wire"] as const;

export const TRACE = "0af7651916cd43dd8448eb211c80319c";
export const SPAN = "b7ad6b7169203331";
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])$/;

export const LISTENERS = ENGINES.map((engine) =>
  `[[listeners]]\nname = "${engine}"\naddress = "127.0.0.1:0"\nengine = "${engine}"\n`
).join("");

export function tracingToml(url: string, sample: number): string {
  return `[tracing]\nendpoint = "${url}"\nsample = ${sample}\nservice = "edge"\n`;
}

export async function send(address: string, target: string, ...lines: string[]): Promise<RawResponse> {
  using client = await connect(address);
  await client.send(
    `GET ${target} HTTP/1.1\r\nHost: shop.test:81\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`,
  );
  return await client.readResponse();
}

/** What the backend saw of a field, all lines of it. */
export function seen(reply: RawResponse, name: string): string[] {
  return echoOf(reply).fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

/** [trace, span, flags] that the backend was told. */
export function told(reply: RawResponse): [string, string, string] {
  const [text, ...more] = seen(reply, "traceparent");
  const match = TRACEPARENT.exec(text ?? "");
  assert(match !== null && more.length === 0, `one traceparent, got ${seen(reply, "traceparent")}`);
  return [match[1], match[2], match[3]];
}

/** Requests of one connection, each answered before the next. */
export async function burst(sluice: SluiceProcess, listener: string, count: number): Promise<void> {
  using client = await connect(sluice.address(listener));
  for (let index = 0; index < count; index++) {
    await client.send("GET /api/burst HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assertEquals((await client.readResponse()).status, 200);
  }
}
