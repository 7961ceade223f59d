/**
 * http-proxy-3 as its manual shows it, in its favour: an agent that keeps connections, `xfwd` and no timeouts.
 * `node http_proxy_3.mjs NODE_MODULES SETUP`
 */

import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createRequire } from "node:module";
import process from "node:process";

const [nodeModules, setupText] = process.argv.slice(2);
const { address, downstream, upstream, backend, certificates, connections } = JSON.parse(setupText);
const { createProxyServer } = createRequire(nodeModules)("http-proxy-3");

const isSecureUp = upstream === "https";
const kept = { keepAlive: true, maxFreeSockets: connections };
const agent = isSecureUp
  ? new https.Agent({ ...kept, ca: readFileSync(certificates.authority), servername: "localhost" })
  : new http.Agent(kept);
const proxy = createProxyServer({
  target: `${upstream}://${backend}`,
  agent,
  secure: true,
  xfwd: true,
  headers: { via: "1.1 http-proxy-3" },
});
proxy.on("error", (error, _request, response) => {
  console.error(error);
  if (!response.headersSent) response.writeHead(502);
  response.end();
});

const handler = (request, response) => proxy.web(request, response);
const listener = downstream === "https"
  ? https.createServer({ cert: readFileSync(certificates.cert), key: readFileSync(certificates.key) }, handler)
  : http.createServer(handler);
const [hostname, port] = address.split(":");
listener.keepAliveTimeout = 75_000;
listener.listen({ host: hostname, port: Number(port), backlog: 4096 });
process.on("SIGTERM", () => process.exit(0));
