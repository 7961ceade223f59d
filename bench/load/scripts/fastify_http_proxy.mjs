/**
 * @fastify/http-proxy as its manual shows it, in its favour: undici to the backend with connections kept, no logger.
 * What it forwards about the client is made equal to what the others forward. `node fastify_http_proxy.mjs NODE_MODULES SETUP`
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";

const [nodeModules, setupText] = process.argv.slice(2);
const { address, downstream, upstream, backend, certificates, connections } = JSON.parse(setupText);
const require = createRequire(nodeModules);

const fastify = require("fastify")({
  logger: false,
  bodyLimit: 1024 ** 3,
  keepAliveTimeout: 75_000,
  ...(downstream === "https" && {
    http2: true,
    https: { allowHTTP1: true, cert: readFileSync(certificates.cert), key: readFileSync(certificates.key) },
  }),
});
fastify.register(require("@fastify/http-proxy"), {
  upstream: `${upstream}://${backend}`,
  disableRequestLogging: true,
  undici: {
    connections,
    pipelining: 1,
    ...(upstream === "https" && { connect: { ca: readFileSync(certificates.authority), servername: "localhost" } }),
  },
  replyOptions: {
    // It hands on the backend's `Connection: keep-alive` and then closes: a client could not tell.
    rewriteHeaders: (headers) => {
      delete headers.connection;
      return headers;
    },
    rewriteRequestHeaders: (request, headers) => ({
      ...headers,
      host: request.host,
      "x-forwarded-for": request.ip,
      "x-forwarded-proto": downstream,
      "x-forwarded-host": request.host,
      via: "1.1 fastify",
    }),
  },
});
const [host, port] = address.split(":");
await fastify.listen({ host, port: Number(port), backlog: 4096 });
process.on("SIGTERM", () => process.exit(0));
