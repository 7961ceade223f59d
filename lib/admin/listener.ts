/**
 * The admin listener: `Deno.serve` on an address of its own, apart from everything that serves traffic.
 *
 * Loaded only when it is configured: a proxy without an admin side pays nothing for it.
 */

import type { AdminConfig } from "../config/types.ts";
import { Revival } from "../engines/serve/revival.ts";
import { bindSocket } from "../engines/socket_rights.ts";
import { Access } from "./access.ts";
import { createAdminApp } from "./app.ts";
import type { Operator } from "./operator.ts";

export interface AdminListener {
  /** "127.0.0.1:9900", "unix:/run/sluice-admin.sock". */
  readonly address: string;
  /** Accepts no more, ends the streams, lets answers under way reach their readers. */
  close(): Promise<void>;
}

/** Who hears of trouble. */
export interface AdminReports {
  /** A bug of ours. */
  onBug(error: unknown): void;
  /** It accepts no more, through no wish of ours, and listens again as soon as it can. */
  onFailed(error: unknown): void;
  onRestored(facts: { readonly afterMs: number; readonly failures: number }): void;
}

/** @throws what `Deno.serve` throws: the address is in use, a permission is missing. */
export async function openAdminListener(
  config: AdminConfig,
  operator: Operator,
  reports: AdminReports,
): Promise<AdminListener> {
  const app = createAdminApp({ operator, access: await Access.create(config), onBug: reports.onBug });
  return new Server(config, app, reports);
}

type App = ReturnType<typeof createAdminApp>;

/** One `Deno.serve`, and another in its place when its accept loop has ended; see revival.ts. */
class Server implements AdminListener {
  readonly address: string;
  readonly #config: AdminConfig;
  readonly #app: App;
  readonly #reports: AdminReports;
  readonly #revival: Revival;
  #server: Deno.HttpServer<Deno.Addr>;
  /** Those that have failed, until their last connection has ended. */
  readonly #retired: Set<Promise<void>> = new Set();
  #isClosed = false;

  constructor(config: AdminConfig, app: App, reports: AdminReports) {
    this.#config = config;
    this.#app = app;
    this.#reports = reports;
    this.#revival = new Revival({
      nowMs: () => performance.now(),
      reopen: () => this.#reopen(),
      shed: () => {}, // what has failed has let go of its idle connections at once
      onFailed: reports.onFailed,
      onRestored: reports.onRestored,
    });
    this.#server = this.#listen(config.address);
    const { addr } = this.#server;
    this.address = config.address.kind === "unix" ? `unix:${config.address.path}` : textOf(addr as Deno.NetAddr);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#revival.close();
    this.#app.close();
    await Promise.all([this.#server.shutdown(), ...this.#retired]);
  }

  #listen(address: AdminConfig["address"]): Deno.HttpServer<Deno.Addr> {
    const handler = (request: Request) => {
      this.#revival.served();
      return this.#app.fetch(request);
    };
    const server = serve({ ...this.#config, address }, { handler, onBug: this.#reports.onBug });
    server.finished.catch((error) => this.#onFailed(server, error));
    return server;
  }

  #onFailed(server: Deno.HttpServer<Deno.Addr>, error: unknown): void {
    if (this.#isClosed || server !== this.#server) return;
    const ending: Promise<void> = server.shutdown().catch(this.#reports.onBug).then(() => {
      this.#retired.delete(ending);
    });
    this.#retired.add(ending);
    this.#revival.begin(error);
  }

  #reopen(): void {
    if (this.#isClosed) return;
    const { address } = this.#config;
    if (address.kind === "tcp") {
      const { hostname, port } = this.#server.addr as Deno.NetAddr; // the port that was found free where 0 was asked for
      this.#server = this.#listen({ kind: "tcp", hostname, port });
      return;
    }
    try {
      Deno.removeSync(address.path);
    } catch {
      // It went with the listener that failed.
    }
    this.#server = this.#listen(address);
  }
}

interface ServeParts {
  readonly handler: (request: Request) => Response | Promise<Response>;
  readonly onBug: (error: unknown) => void;
}

function serve(config: AdminConfig, { handler, onBug }: ServeParts): Deno.HttpServer<Deno.Addr> {
  const { address } = config;
  const onError = (error: unknown) => {
    onBug(error);
    return new Response("internal error\n", { status: 500 });
  };
  if (address.kind === "tcp") {
    return Deno.serve({ hostname: address.hostname, port: address.port, onError, onListen: () => {} }, handler);
  }
  const { path } = address;
  const bind = (): Deno.HttpServer<Deno.Addr> => Deno.serve({ path, onError, onListen: () => {} }, handler);
  return bindSocket(config, bind, (bound) => void bound.shutdown());
}

function textOf({ hostname, port }: Deno.NetAddr): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}
