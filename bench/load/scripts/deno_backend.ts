/** The backend where nginx is missing: `deno run -A deno_backend.ts SETUP`; see ../backend.ts. */

import type { BackendSetup } from "../backend.ts";
import { BODY, content, FILES, PAGE_FIELDS } from "../shapes.ts";

const { addresses, certificates }: BackendSetup = JSON.parse(Deno.args[0]);
const tls = { cert: Deno.readTextFileSync(certificates.cert), key: Deno.readTextFileSync(certificates.key) };

const listeners = [
  Deno.serve({ ...at(addresses.http), onListen() {} }, answer),
  Deno.serve({ ...at(addresses.https), ...tls, onListen() {} }, answer),
];

Deno.addSignalListener("SIGTERM", async () => {
  await Promise.all(listeners.map((http) => http.shutdown()));
  Deno.exit(0);
});

function at(address: string): { hostname: string; port: number } {
  const [hostname, port] = address.split(":");
  return { hostname, port: Number(port) };
}

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const { headers } = request;
  switch (pathname) {
    case "/":
      return new Response(BODY);
    case "/page":
      return new Response(BODY, { headers: PAGE_FIELDS });
    case "/sink":
      await request.arrayBuffer();
      return new Response(BODY);
    case "/echo":
      return new Response(await request.bytes());
    case "/probe": {
      const names = ["x-probe", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via"];
      return new Response(names.map((name) => headers.get(name) ?? "").join("|"));
    }
  }
  const bytes = FILES[pathname];
  if (bytes === undefined) return new Response(null, { status: 404 });
  return new Response(ReadableStream.from(content(bytes)), { headers: { "Content-Length": String(bytes) } });
}
