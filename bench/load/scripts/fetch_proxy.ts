/** The plain proxy: `deno run -A fetch_proxy.ts SETUP`. */

import type { Setup } from "../contender.ts";

const { address, downstream, upstream, backend, certificates }: Setup = JSON.parse(Deno.args[0]);
const [hostname, port] = address.split(":");
const client = upstream === "https"
  ? { client: Deno.createHttpClient({ caCerts: [Deno.readTextFileSync(certificates.authority)] }) }
  : {};
const tls = downstream === "https"
  ? { cert: Deno.readTextFileSync(certificates.cert), key: Deno.readTextFileSync(certificates.key) }
  : {};

const http = Deno.serve({ hostname, port: Number(port), ...tls }, (request, { remoteAddr }) => {
  const url = new URL(request.url);
  const headers = new Headers(request.headers);
  headers.set("x-forwarded-for", (remoteAddr as Deno.NetAddr).hostname);
  headers.set("x-forwarded-proto", downstream);
  headers.set("x-forwarded-host", url.host);
  headers.append("via", "1.1 fetch-proxy");
  return fetch(`${upstream}://${backend}${url.pathname}${url.search}`, {
    method: request.method,
    headers,
    body: request.body,
    redirect: "manual",
    ...client,
  });
});

Deno.addSignalListener("SIGTERM", async () => {
  await http.shutdown();
  Deno.exit(0);
});
