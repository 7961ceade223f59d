/** Runs one hostile response, and then looks whether the next clients get their own. */

import { assert, assertEquals } from "../support/assert.ts";
import type { Script } from "../support/backend_scripts.ts";
import type { RawClient } from "../support/raw_client.ts";
import { type Gateway, PATIENCE_MS } from "../support/gateway_stage.ts";
import type { ResponseCase } from "./case.ts";
import { answerWithItsName, ask } from "./stage.ts";

let cases = 0;

/** @param site One of its own where requests are pipelined: a backend that breaks the order is not trusted any more. */
export async function runResponseCase(gateway: Gateway, engine: string, row: ResponseCase, site = "r"): Promise<void> {
  const backend = gateway.backend(site);
  // Two characters, as the lengths in the corpus say; never those of the case before.
  const id = (36 * 10 + cases++ % 900).toString(36);
  const text = (bytes: string) => bytes.replaceAll("ID", id);
  backend.use([hostile(row, text), answerWithItsName]);
  const method = row.method ?? "GET";
  using client = await gateway.connect(engine);
  await client.send(`${method} /${id} HTTP/1.1\r\nHost: ${site}.test\r\n\r\n`);
  const got = await readOutcome(client, method);
  const wanted = text(row.client);
  if (wanted.endsWith("…")) {
    assertEquals(got.isWhole, false, `passed for whole: ${got.status} ${got.body}`);
    assert(wanted.startsWith(`${got.status} ${got.body}`) || got.status === 0, `${got.status} ${got.body}`);
  } else {
    assertEquals(got.isWhole, true, "broke off");
    assertEquals(wanted.includes(" ") ? `${got.status} ${got.body}` : String(got.status), wanted);
  }
  assert(!got.raw.includes("evil"), "what was behind the response reached the client");
  for (const name of row.without ?? []) assertEquals(got.names.includes(name), false, `field ${name}`);

  const connectionId = backend.requests.at(-1)!.connectionId;
  for (const next of ["next", "last"]) {
    using other = await gateway.connect(engine);
    assertEquals(await ask(other, site, `/${id}/${next}`), `200 GET /${id}/${next}`);
  }
  assertEquals(backend.requests.at(-2)!.connectionId === connectionId, row.reuses, "uses the connection again");
}

function hostile({ respond, then, tail = "" }: ResponseCase, text: (bytes: string) => string): Script {
  return async (exchange) => {
    await exchange.readBody();
    if (respond !== "") await exchange.write(text(respond));
    if (then === "close") exchange.close();
    const many = tail.repeat(Math.ceil(4096 / Math.max(1, tail.length)));
    while (then === "endless") await exchange.write(many);
  };
}

interface Got {
  /** 0: the connection ended before there was a head. */
  readonly status: number;
  readonly body: string;
  readonly names: readonly string[];
  readonly isWhole: boolean;
  readonly raw: string;
}

/** A response as far as it comes. */
async function readOutcome(client: RawClient, method: string): Promise<Got> {
  let head;
  try {
    do head = await client.readResponseHead({ method }); while (head.status < 200 && head.status !== 101);
  } catch (error) {
    if (!client.source.isEnded) throw error;
    return { status: 0, body: "", names: [], isWhole: false, raw: "" };
  }
  const body = client.bodyOf(head);
  const decoder = new TextDecoder("latin1");
  let text = "";
  let isWhole = true;
  try {
    for (let piece = await body.read(); piece !== null; piece = await body.read()) text += decoder.decode(piece);
  } catch {
    isWhole = false;
  }
  const names = head.fields.map(([name]) => name.toLowerCase());
  return { status: head.status, body: text, names, isWhole, raw: decoder.decode(head.raw) + text };
}

/** Junk that comes while nobody uses the connection: it is closed, and the junk answers nobody. */
export async function runIdleJunk(gateway: Gateway, engine: string, junk: string, site = "r"): Promise<void> {
  const backend = gateway.backend(site);
  backend.use(answerWithItsName);
  using client = await gateway.connect(engine);
  assertEquals(await ask(client, site, "/before"), "200 GET /before");
  const { connectionId } = backend.requests.at(-1)!;
  const connection = backend.connections[connectionId];
  await connection.write(junk);
  await backend.waitFor(() => connection.source.isEnded, "sluice to close the connection with junk", PATIENCE_MS);
  assertEquals(await ask(client, site, "/after"), "200 GET /after");
}
