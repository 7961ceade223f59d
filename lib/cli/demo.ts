/** `sluice demo`: three example backends and the proxy in front of them, on config.toml. */

import { ListenError } from "../runtime/listener_set.ts";
import { type Command, CONFIG_OPTIONS, configPathOf } from "./command.ts";
import { parseArguments, refuseMoreThan } from "./options.ts";
import { runProxy } from "./run.ts";

/** Where config.toml expects the example backends. */
const DEMO_PORTS: readonly number[] = [9001, 9002, 9003];

export const demo: Command = {
  name: "demo",
  usage: "demo [--config FILE]",
  summary: "three example backends and the proxy in front, on config.toml",
  help: `sluice demo [--config FILE]

Starts three example backends on 127.0.0.1 (ports ${DEMO_PORTS.join(", ")}) and the proxy in front of them, on FILE
(default: config.toml). Try curl, edit the file, save it, and try again. Ctrl-C ends all.`,
  options: CONFIG_OPTIONS,
  operands: [],
  async execute(args) {
    const parsed = parseArguments(args, CONFIG_OPTIONS);
    refuseMoreThan(0, parsed);
    const path = configPathOf(parsed);
    const backends: Deno.HttpServer<Deno.NetAddr>[] = [];
    try {
      for (const [index, port] of DEMO_PORTS.entries()) backends.push(startBackend(`b${index + 1}`, port));
      return await runProxy(path, (sluice) => {
        const [first] = sluice.plane.listeners;
        console.error(welcome(first.address, path));
      });
    } finally {
      await Promise.all(backends.map((backend) => backend.shutdown()));
    }
  },
};

/** @throws {ListenError} when the port is taken: by another demo, most likely. */
function startBackend(name: string, port: number): Deno.HttpServer<Deno.NetAddr> {
  try {
    return serveExample(name, port);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new ListenError(`Cannot start example backend ${name} on 127.0.0.1:${port}: the address is in use`);
  }
}

function serveExample(name: string, port: number): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/slow") return ticks(name);
    return new Response(`hello from ${name} (${request.method} ${pathname})\n`, {
      headers: { "content-type": "text/plain; charset=utf-8", "x-backend": name },
    });
  });
}

/** A line a second for ten seconds: something to keep open while the configuration changes. */
function ticks(name: string): Response {
  const encoder = new TextEncoder();
  let count = 0;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (count > 0) await new Promise((resolve) => setTimeout(resolve, 1000));
      controller.enqueue(encoder.encode(`tick ${++count} from ${name}\n`));
      if (count === 10) controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "text/plain; charset=utf-8", "x-backend": name } });
}

function welcome(address: string, path: string): string {
  const url = `http://${address.replace(/^0\.0\.0\.0/, "127.0.0.1")}`;
  return `
  sluice is running on ${url}, in front of three example backends.

    curl ${url}/              takes turns over b1, b2, b3
    curl -N ${url}/slow       a stream that survives reloads
    edit ${path}, save        and watch the traffic move; a mistake is refused with its line
    Ctrl-C                    ends all
`;
}
