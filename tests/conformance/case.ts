/**
 * How a case of the corpus is written down. The bytes stand there as they go over the wire: every `\r\n` is visible, one
 * character is one byte, and nothing is added to them.
 */

/** Engines that the corpus is run against. */
export const ENGINES = ["serve", "wire"] as const;

export type EngineName = typeof ENGINES[number];

/** What has to happen on both sides. */
export interface Outcome {
  /**
   * The final statuses that the client gets, in order, then what becomes of its connection: "200 open" (it carries
   * another request), "400 closed", "400… closed" (the answer has its text, and no end), "closed" (without a word), "400
   * waiting" (what follows would still be its body). "|" stands between outcomes that both may be.
   */
  readonly client: string;
  /**
   * Every request that the backend gets, in order: "METHOD target body". The 200s of `client` answer exactly these. With
   * "…" at its end the message may reach the backend, but never whole: its connection is cut before the end.
   */
  readonly backend: readonly string[];
}

export type Observed = Partial<Record<EngineName, Outcome & { readonly why: string }>>;

export interface RequestCase extends Outcome {
  readonly name: string;
  readonly rule: string;
  /** "a.test" is a site; the runner puts other sites in its place, whose backends are careless in other ways. */
  readonly send: string;
  /** Where an engine decides otherwise, with the reason. */
  readonly observed?: Observed | undefined;
}

/** What a second recipient would execute if it saw another end of the message before: never seen by a backend. 40 bytes. */
export const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

export interface ResponseCase {
  readonly name: string;
  readonly rule: string;
  /** What the client asks with. Default: GET. */
  readonly method?: string;
  /** "open": the backend keeps its connection. "close": it ends it. "endless": it repeats `tail` as long as it can. */
  readonly then: "open" | "close" | "endless";
  /** What the backend writes when it has read the request. */
  readonly respond: string;
  readonly tail?: string;
  /**
   * "STATUS body" for a whole response, "STATUS body…" for one that breaks off: what came of the body is a beginning of
   * `body`, and the client can tell that it is not whole.
   */
  readonly client: string;
  /** Whether the next request may go over the same connection. */
  readonly reuses: boolean;
  /** What the client must not find among the response's fields, names in lower case. */
  readonly without?: readonly string[];
}

/** For requests that are refused with a whole response. The connection is in step all the same: Deno found the end. */
export function keptOpen(client: string): Observed {
  return { serve: { client, backend: [], why: "Deno.serve has no way to close a connection behind a whole response" } };
}

/** For messages whose end others may find elsewhere than Deno: nothing of what follows them is served. */
export const BROKEN_OFF: Observed = {
  serve: { client: "400… closed", backend: [], why: "Deno.serve ends a connection behind an answer that breaks off" },
};

/** For heads beyond what Deno takes: 64 KiB and 128 fields, whatever the configuration says. */
export const DENO_REFUSES: Observed = {
  serve: { client: "400 closed", backend: [], why: "Deno.serve answers every head that it does not take with 400" },
};
