/**
 * Runs cases of the corpus against the real process. One connection to each backend: whatever a message leaves behind
 * on it meets the next request.
 */

import { assertEquals } from "../support/assert.ts";
import type { Script } from "../support/backend_scripts.ts";
import { response } from "../support/backend_scripts.ts";
import type { BackendRequest } from "../support/backend_exchange.ts";
import { CARELESS, type LenientOptions } from "../support/lenient_parser.ts";
import type { RawClient } from "../support/raw_client.ts";
import type { ScriptedBackend } from "../support/scripted_backend.ts";
import { toText } from "../support/wire_bytes.ts";
import { Gateway, type GatewayOptions, PATIENCE_MS, type Site } from "../support/gateway_stage.ts";
import { RESPONSES } from "./responses.ts";
import { ENGINES, type Outcome, type RequestCase } from "./case.ts";

/** Three backends that are careless in different ways, so that one message has more than one meaning. Names of one letter. */
const CARELESSNESS: Readonly<Record<string, LenientOptions>> = {
  a: CARELESS,
  b: { prefers: "transfer-encoding", contentLength: "last", transferEncoding: "includes" },
  c: { prefers: "transfer-encoding", contentLength: "first", transferEncoding: "exact" },
};

/** The same three, where requests are pipelined. */
const PIPED: Readonly<Record<string, LenientOptions>> = { d: CARELESSNESS.a, e: CARELESSNESS.b, f: CARELESSNESS.c };

/** Sites that each request is sent to. */
export const CARELESS_SITES: readonly string[] = Object.keys(CARELESSNESS);
export const PIPED_SITES: readonly string[] = Object.keys(PIPED);

/** No retry, no circuit: what a case sees is what its message did. */
const UPSTREAM = [
  "pool.max_connections = 1",
  "retry.attempts = 1",
  "circuit.failures = 0",
  "circuit.error_rate = 0",
].join("\n");

const PIPED_UPSTREAM = `${UPSTREAM}\npool.pipelining = 8`;

/** What the backend says to each request is who asked: a response that belongs to another request is seen. */
export const answerWithItsName: Script = async (exchange) => {
  await exchange.readBody();
  const { method } = exchange.request;
  const body = lineOf(exchange.request);
  await exchange.write(method === "HEAD" ? response(200, "", { framing: "none" }) : response(200, body));
};

/** The site of a hostile response, where requests are pipelined. */
export function pipedSite(index: number): string {
  return `piped-${index}`;
}

/** @param folder Where the Unix sockets go. @param server Lines of `[server]`. */
export function startConformance(folder: string, server: string): Promise<Gateway> {
  const careless = (sites: Readonly<Record<string, LenientOptions>>, upstream: string) =>
    Object.entries(sites).map(([name, lenient]): Site => {
      return { name, script: answerWithItsName, backend: { lenient }, upstream };
    });
  const sites = [...careless(CARELESSNESS, UPSTREAM), ...careless(PIPED, PIPED_UPSTREAM)];
  const replies: Site[] = [
    { name: "r", script: answerWithItsName, upstream: UPSTREAM },
    { name: "q", script: answerWithItsName, upstream: PIPED_UPSTREAM },
  ];
  const piped = RESPONSES.map((_, index): Site => ({
    name: pipedSite(index),
    script: answerWithItsName,
    upstream: PIPED_UPSTREAM,
  }));
  const listeners = Object.fromEntries(ENGINES.flatMap((engine) => [
    [engine, `engine = "${engine}"`],
    [`${engine}_unix`, `engine = "${engine}"\naddress = "unix:${folder}/${engine}.sock"`],
  ]));
  return Gateway.start({ sites: [...sites, ...replies, ...piped], listeners, server } satisfies GatewayOptions);
}

/** "POST /carrier hello". */
export function lineOf(request: BackendRequest): string {
  const { method, target, text } = request;
  return text === "" ? `${method} ${target}` : `${method} ${target} ${text}`;
}

let ends = 0;

export interface RequestRun {
  readonly engine: string;
  readonly sites: readonly string[];
  readonly expected: Outcome;
}

/** Sends the case to each site, and then something harmless that must come through unharmed. */
export async function runRequestCase(gateway: Gateway, { send }: RequestCase, { engine, sites, expected }: RequestRun) {
  for (const site of sites) {
    const wire = send.replaceAll("a.test", `${site}.test`);
    const wanted = expected.backend.map((line) => line.replaceAll("a.test", `${site}.test`));
    const backend = gateway.backend(site);
    const from = backend.requests.length;
    using client = await gateway.connect(engine);
    // An engine that refuses may close before all is sent.
    await client.send(wire).catch(() => {});
    const { statuses, bodies } = await readResponses(client, expected.client, (index) => methodOf(send, wanted, index));
    const outcomes = expected.client.split("|");
    const hoped = outcomes[0].slice(outcomes[0].lastIndexOf(" ") + 1);
    const end = `/end/${++ends}`;
    if (hoped === "open") assertEquals(await ask(client, site, end), `200 GET ${end}`);
    const fate = hoped === "closed" ? await fateOf(client) : hoped;
    using other = await gateway.connect(engine);
    assertEquals(await ask(other, site, `${end}/other`), `200 GET ${end}/other`, "another client's response");
    const got = [...statuses, fate].join(" ");
    if (!outcomes.includes(got)) assertEquals(got, expected.client, `towards ${site}`);
    const seen = backend.requests.slice(from).filter(({ target }) => !target.startsWith(end));
    await assertBackendSaw(backend, seen, wanted);
    assertEquals(bodies, wanted.filter((line) => !line.startsWith("HEAD ")).slice(0, bodies.length), "own responses");
  }
}

/** Ends with a last chunk. */
const WHOLE = /\r\n0\r\n(.+\r\n)*\r\n$/;

/** Whole requests in order; or one that must not be whole. */
async function assertBackendSaw(backend: ScriptedBackend, seen: readonly BackendRequest[], wanted: readonly string[]) {
  if (wanted.length !== 1 || !wanted[0].endsWith("…")) {
    assertEquals(seen.map(lineOf), [...wanted], "what the backend saw");
    return;
  }
  assertEquals(seen.slice(0, 1).map(({ method, target }) => `${method} ${target} …`), wanted.slice(0, seen.length));
  for (const { connectionId } of seen) {
    const connection = backend.connections[connectionId];
    await backend.waitFor(() => connection.source.isEnded, "the end of a cut connection", PATIENCE_MS);
    const message = connection.received.slice(connection.received.lastIndexOf("POST /carrier"));
    assertEquals(WHOLE.test(message), false, `whole: ${message}`);
  }
  assertEquals(seen.length <= 1, true, `more than one request: ${seen.map(lineOf).join("; ")}`);
}

/** As many as are expected, or fewer when the connection ends. */
async function readResponses(client: RawClient, expected: string, methodAt: (index: number) => string) {
  const count = Math.max(...expected.split("|").map((outcome) => outcome.split(" ").length - 1));
  const statuses: string[] = [];
  const bodies: string[] = [];
  while (statuses.length < count) {
    const method = methodAt(statuses.length);
    let reply = "";
    try {
      const head = await client.readResponseHead({ method });
      if (head.status >= 200 || head.status === 101) reply = `${head.status}`;
      const body = toText(await client.bodyOf(head).readAll());
      if (head.status === 200 && method !== "HEAD") bodies.push(body);
    } catch (error) {
      if (!client.source.isEnded || client.source.length > 0) throw error;
      if (reply !== "") statuses.push(`${reply}…`);
      break;
    }
    if (reply !== "") statuses.push(reply);
  }
  return { statuses, bodies };
}

/** The method of the request that response `index` answers: a response to HEAD has no body. */
function methodOf(send: string, wanted: readonly string[], index: number): string {
  return wanted[index]?.split(" ")[0] ?? (index === 0 ? send.split(" ")[0] : "GET");
}

/** @returns "closed", or what came instead. */
async function fateOf(client: RawClient): Promise<string> {
  try {
    await client.waitForClose();
    return "closed";
  } catch (error) {
    return String(error);
  }
}

export async function ask(client: RawClient, site: string, target: string): Promise<string> {
  await client.send(`GET ${target} HTTP/1.1\r\nHost: ${site}.test\r\n\r\n`);
  const { status, text } = await client.readResponse();
  return `${status} ${text}`;
}

/** Longer than it takes until an exchange wants to know whether its client is still there. */
const SLOW_MS = 200;

/**
 * Two reads of one socket were under way at once: the one that watched the client during the slow exchange, and one for
 * the body behind it, so that the body got the later bytes first.
 */
export async function runSlowPipeline(gateway: Gateway, engine: string, site = "r"): Promise<void> {
  const backend = gateway.backend(site);
  const slow: Script = async (exchange) => {
    await exchange.wait(SLOW_MS);
    await answerWithItsName(exchange);
  };
  backend.use([slow, answerWithItsName]);
  const from = backend.requests.length;
  using client = await gateway.connect(engine);
  await client.send(
    `GET /slow HTTP/1.1\r\nHost: ${site}.test\r\n\r\n` +
      `POST /body HTTP/1.1\r\nHost: ${site}.test\r\nContent-Length: 9\r\n\r\nabc`,
  );
  assertEquals((await client.readResponse()).text, "GET /slow");
  await backend.waitForRequests(from + 2, PATIENCE_MS);
  const { connectionId } = backend.requests[from + 1];
  const { received } = backend.connections[connectionId];
  await client.send("def");
  await backend.waitFor(() => backend.connections[connectionId].received !== received, "the second piece", PATIENCE_MS);
  await client.send("ghi");
  assertEquals((await client.readResponse()).text, "POST /body abcdefghi");
}
