/**
 * One sluice process with many sites: each is a host name ("NAME.test") with a route, an upstream and a scripted backend
 * of its own, so that no case sees what another one did to a backend, its pool or its circuit.
 */

import { assertEquals } from "./assert.ts";
import type { Script } from "./backend_scripts.ts";
import type { BackendRequest } from "./backend_exchange.ts";
import { RawClient, type RawResponse } from "./raw_client.ts";
import { type BackendOptions, ScriptedBackend } from "./scripted_backend.ts";
import { type ProcessOptions, SluiceProcess } from "./sluice_process.ts";

/** Machines that run many tests at once are slow. */
export const PATIENCE_MS = 20_000;

/** Where the engines differ; without it a row holds for both. */
export interface OnlyFor {
  readonly only?: { readonly engine: Engine; readonly why: string };
}

/** Whether a row is for this engine. */
export function isFor(engine: Engine): (row: OnlyFor) => boolean {
  return ({ only }) => only === undefined || only.engine === engine;
}

export interface Site {
  readonly name: string;
  /** Default: `echo()`. */
  readonly script?: Script | readonly Script[];
  readonly backend?: BackendOptions;
  /** Something else than a scripted backend; its `script` is not used. */
  readonly url?: string;
  /** Lines of the upstream's table; keys of its sections dotted: `pool.queue = 1`. */
  readonly upstream?: string;
  /** Lines of the route's table. Default: no more than host, path and upstream. */
  readonly route?: string;
  /** Instead of `upstream = …`: `respond = …`, `redirect = …`. */
  readonly action?: string;
}

/** Suites run over both; where one decides otherwise the row says so, with the reason. */
export const ENGINES = ["serve", "wire"] as const;

export type Engine = typeof ENGINES[number];

export interface GatewayOptions {
  readonly sites: readonly Site[];
  /** The engine of every listener that names none. Default: "serve". */
  readonly engine?: Engine;
  /** Lines of `[server]`. */
  readonly server?: string;
  /** Lines of each listener's table. One without an address gets a free port of 127.0.0.1. Default: one, "web". */
  readonly listeners?: Readonly<Record<string, string>>;
  /** What else its process is started with. */
  readonly process?: ProcessOptions;
}

export class Gateway {
  readonly engine: Engine;
  readonly sluice: SluiceProcess;
  readonly #backends: ReadonlyMap<string, ScriptedBackend>;

  private constructor(
    engine: Engine,
    { sluice, backends }: { sluice: SluiceProcess; backends: ReadonlyMap<string, ScriptedBackend> },
  ) {
    this.engine = engine;
    this.sluice = sluice;
    this.#backends = backends;
  }

  static async start(options: GatewayOptions): Promise<Gateway> {
    const backends = new Map<string, ScriptedBackend>();
    for (const { name, script, backend, url, action } of options.sites) {
      if (url !== undefined || action !== undefined) continue;
      backends.set(name, ScriptedBackend.start(script, { name, ...backend }));
    }
    try {
      const toml = configuration(options, backends);
      const sluice = await SluiceProcess.start(toml, { deadlineMs: PATIENCE_MS, ...options.process });
      return new Gateway(options.engine ?? "serve", { sluice, backends });
    } catch (error) {
      for (const backend of backends.values()) await backend[Symbol.asyncDispose]();
      throw error;
    }
  }

  backend(site: string): ScriptedBackend {
    const backend = this.#backends.get(site);
    if (backend === undefined) throw new RangeError(`No backend "${site}"`);
    return backend;
  }

  /** The newest request that a site's backend got. */
  seen(site: string): BackendRequest {
    const request = this.backend(site).requests.at(-1);
    if (request === undefined) throw new RangeError(`The backend of "${site}" got no request`);
    return request;
  }

  connect(listener = "web"): Promise<RawClient> {
    return RawClient.connect(this.sluice.address(listener), { deadlineMs: PATIENCE_MS });
  }

  /** Sends exactly `wire` on a connection of its own, and reads one response. */
  async send(wire: string, listener = "web"): Promise<RawResponse> {
    using client = await this.connect(listener);
    await client.send(wire);
    return await client.readResponse({ method: wire.slice(0, wire.indexOf(" ")) });
  }

  /** A client leaves so that sluice knows at once: to `wire` an end may be that of the client's side alone, for a moment. */
  leave(client: RawClient): void {
    if (this.engine === "wire") client.reset();
    else client.close();
  }

  /** Waits until a backend has seen that sluice closed all its connections. */
  waitForBackendClosed(site: string): Promise<void> {
    return this.backend(site).waitForConnectionsClosed(PATIENCE_MS);
  }

  /** Ends everything, and looks for what must never be: bugs of sluice, and requests that a backend calls malformed. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const backend of this.#backends.values()) backend.closeConnections();
      const code = await this.sluice.stop(PATIENCE_MS);
      assertEquals(code, 0);
      for (const backend of this.#backends.values()) assertEquals(backend.violations, []);
    } finally {
      await this.sluice[Symbol.asyncDispose]();
      for (const backend of this.#backends.values()) await backend[Symbol.asyncDispose]();
    }
  }
}

/** "GET / HTTP/1.1" with these field lines behind Host. */
export function requestFor(site: string, ...lines: readonly string[]): string {
  return wireOf("GET / HTTP/1.1", `Host: ${site}.test`, ...lines);
}

/** Start line and field lines, with the blank line. */
export function wireOf(startLine: string, ...lines: readonly string[]): string {
  return [startLine, ...lines].map((line) => `${line}\r\n`).join("") + "\r\n";
}

function configuration(options: GatewayOptions, backends: ReadonlyMap<string, ScriptedBackend>): string {
  const parts = [`[server]\ndrain = "1s"\n${options.server ?? ""}\n`];
  for (const [name, lines] of Object.entries(options.listeners ?? { web: "" })) {
    const address = lines.includes("address =") ? "" : `address = "127.0.0.1:0"\n`;
    const engine = lines.includes("engine =") ? "" : `engine = "${options.engine ?? "serve"}"\n`;
    parts.push(`[[listeners]]\nname = "${name}"\n${address}${engine}${lines}\n`);
  }
  for (const { name, url, upstream, route, action } of options.sites) {
    const address = url ?? backends.get(name)?.url;
    if (action === undefined) {
      parts.push(`[upstreams.${name}]\nbackends = [{ name = "b", url = "${address}" }]\n${upstream ?? ""}\n`);
    }
    const target = action ?? `upstream = "${name}"`;
    const path = route?.includes("path =") ? "" : `path = "/*"\n`;
    parts.push(`[[routes]]\nname = "${name}"\nhost = "${name}.test"\n${path}${target}\n${route ?? ""}\n`);
  }
  return parts.join("\n");
}
