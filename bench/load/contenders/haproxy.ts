/** HAProxy, one thread under a master (it is the master that reloads), connections to the backend shared by all. */

import { programVersion } from "../bench_process.ts";
import type { Contender } from "../contender.ts";

export const haproxy: Contender = {
  name: "haproxy",
  http2: true,
  reloads: true,
  async availability() {
    const version = await programVersion("haproxy", "-v");
    return version === null ? { missing: "not installed" } : { version: version.replace(/ - .*/, "") };
  },
  launch({ address, downstream, upstream, backend, certificates, folder, connections, generation }) {
    const tlsDown = downstream === "https" ? ` ssl crt ${certificates.pair} alpn h2,http/1.1` : "";
    const tlsUp = upstream === "https"
      ? ` ssl verify required ca-file ${certificates.authority} sni str(localhost) verifyhost localhost`
      : "";
    const configuration = `
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  option forwardfor
  http-reuse always
  timeout connect 3s
  timeout client 75s
  timeout server 60s
frontend clients
  bind ${address}${tlsDown} backlog 4096
  http-request set-header X-Forwarded-Proto ${downstream}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request add-header Via "1.1 haproxy"
  ${generation === 0 ? "" : `http-response set-header X-Generation ${generation}`}
  default_backend all
backend all
  server one ${backend} pool-max-conn ${connections}${tlsUp}
`;
    return {
      program: "haproxy",
      args: ["-W", "-f", `${folder}/haproxy.cfg`],
      files: { "haproxy.cfg": configuration },
      reload: "SIGUSR2",
    };
  },
};
