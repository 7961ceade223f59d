/** Everybody who takes part, in the order of the first round. */

import type { Contender } from "./contender.ts";
import { caddy } from "./contenders/caddy.ts";
import { fetchProxy } from "./contenders/fetch_proxy.ts";
import { haproxy } from "./contenders/haproxy.ts";
import { nginx } from "./contenders/nginx.ts";
import { fastifyHttpProxy, httpProxy3 } from "./contenders/node_proxies.ts";
import { sluiceServe, sluiceWire, sluiceWire8 } from "./contenders/sluice.ts";

export const CONTENDERS: readonly Contender[] = [
  nginx,
  haproxy,
  sluiceWire,
  sluiceWire8,
  sluiceServe,
  caddy,
  fetchProxy,
  httpProxy3,
  fastifyHttpProxy,
];
