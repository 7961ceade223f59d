/** Proves a contender correct before it is measured: a fast wrong answer is not a result. */

import { createHash } from "node:crypto";
import { RawClient } from "../../tests/support/raw_client.ts";
import type { CertificateFiles } from "./contender.ts";
import type { Load } from "./generator.ts";
import { BODY, content, PAGE_FIELDS, type Shape } from "./shapes.ts";

/** @throws {Error} Naming what is wrong. */
export async function prove(
  { address, scheme, shape }: Pick<Load, "address" | "scheme" | "shape">,
  { authority }: Pick<CertificateFiles, "authority">,
): Promise<void> {
  const caCerts = scheme === "https" ? [Deno.readTextFileSync(authority)] : [];
  using client = await RawClient.connect(
    address,
    scheme === "https" ? { tls: { caCerts, hostname: "localhost", alpnProtocols: ["http/1.1"] } } : {},
  );
  const probe = `probe-${crypto.randomUUID()}`;
  await exchange(client, { address, path: "/", expected: BODY });
  const forwarded = await exchange(client, { address, path: "/probe", fields: { "X-Probe": probe } });
  const known = `${probe}|127.0.0.1|${scheme}|${address}|`;
  if (!forwarded.startsWith(known) || forwarded === known) {
    throw new Error(`Forwards "${forwarded}", not "${known}" and a Via`);
  }
  if (shape.method === "POST") {
    await exchange(client, { address, method: "POST", path: "/echo", body: probe, expected: probe });
  }
  await exchange(client, { address, path: "/", expected: BODY });
  if (shape.method === "GET") await proveDownload(`${scheme}://${address}${shape.path}`, shape, caCerts);
}

interface Exchange {
  readonly address: string;
  readonly path: string;
  readonly method?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Default: any. */
  readonly expected?: string;
}

/** @returns The body of the response. */
async function exchange(client: RawClient, wanted: Exchange): Promise<string> {
  const { address, path, method = "GET", fields = {}, body = "", expected } = wanted;
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  if (body !== "") lines.push(`Content-Length: ${body.length}\r\n`);
  await client.send(`${method} ${path} HTTP/1.1\r\nHost: ${address}\r\n${lines.join("")}\r\n${body}`);
  const { status, text, keepAlive } = await client.readResponse({ method });
  if (status !== 200 || (expected !== undefined && text !== expected)) {
    const instead = expected === undefined ? "" : ` with ${JSON.stringify(expected)}`;
    throw new Error(`Not correct: ${method} ${path} gave ${status} with "${text}", not 200${instead}`);
  }
  if (!keepAlive) throw new Error("Does not keep the connection");
  return text;
}

async function proveDownload(url: string, shape: Shape, caCerts: string[]): Promise<void> {
  using client = Deno.createHttpClient({ caCerts });
  const response = await fetch(url, { client, headers: shape.fields });
  if (response.status !== 200) throw new Error(`Not correct: ${url} gave ${response.status}`);
  if (shape.path === "/page") {
    await response.body?.cancel();
    const missing = Object.entries(PAGE_FIELDS).find(([name, value]) => response.headers.get(name) !== value);
    if (missing !== undefined) throw new Error(`Not correct: ${missing[0]} is "${response.headers.get(missing[0])}"`);
    return;
  }
  const pieces = shape.responseBytes === BODY.length ? [new TextEncoder().encode(BODY)] : content(shape.responseBytes);
  const wanted = createHash("sha256");
  for (const piece of pieces) wanted.update(piece);
  const found = createHash("sha256");
  for await (const piece of response.body!) found.update(piece);
  if (wanted.digest("hex") !== found.digest("hex")) throw new Error(`Not correct: ${url} has another body`);
}
