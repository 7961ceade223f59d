/** The proxies of npm, on a Node of npm: each is a script in ../scripts/ that does what the library's manual says. */

import { ROOT } from "../bench_process.ts";
import type { Contender } from "../contender.ts";
import { installNodePackages, NODE, NODE_MODULES, NODE_PACKAGES, NODE_VERSION } from "../node_cache.ts";

export const httpProxy3: Contender = nodeProxy("http-proxy-3", "http_proxy_3.mjs", false);
export const fastifyHttpProxy: Contender = nodeProxy("@fastify/http-proxy", "fastify_http_proxy.mjs", true);

function nodeProxy(name: keyof typeof NODE_PACKAGES, script: string, http2: boolean): Contender {
  return {
    name,
    http2,
    reloads: false,
    async availability() {
      const missing = await installNodePackages();
      return missing === "" ? { version: `${name} ${NODE_PACKAGES[name]} on Node ${NODE_VERSION}` } : { missing };
    },
    launch: (setup) => ({
      program: NODE,
      args: [`${ROOT}bench/load/scripts/${script}`, NODE_MODULES, JSON.stringify(setup)],
      env: { NODE_ENV: "production" },
    }),
  };
}
