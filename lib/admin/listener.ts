/**
 * The admin listener: `Deno.serve` on an address of its own, apart from everything that serves traffic.
 *
 * Loaded only when it is configured: a proxy without an admin side pays nothing for it.
 */

import type { AdminConfig } from "../config/types.ts";
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

/** @throws what `Deno.serve` throws: the address is in use, a permission is missing. */
export async function openAdminListener(
  config: AdminConfig,
  operator: Operator,
  onBug: (error: unknown) => void,
): Promise<AdminListener> {
  const app = createAdminApp({ operator, access: await Access.create(config), onBug });
  const server = serve(config, { handler: (request) => app.fetch(request), onBug });
  return {
    address: config.address.kind === "unix" ? `unix:${config.address.path}` : textOf(server.addr as Deno.NetAddr),
    close: async () => {
      app.close();
      await server.shutdown();
    },
  };
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
