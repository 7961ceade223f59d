/**
 * nginx, one worker, with as many idle connections to the backend as it needs. Bodies stream as they do elsewhere:
 * requests are not collected first, and responses go through large buffers instead of temporary files.
 */

import { programVersion } from "../bench_process.ts";
import type { Contender } from "../contender.ts";
import { nginxCommand } from "../nginx_command.ts";

export const nginx: Contender = {
  name: "nginx",
  http2: true,
  reloads: true,
  async availability() {
    const version = await programVersion("nginx", "-v");
    return version === null ? { missing: "not installed" } : { version };
  },
  launch({ address, downstream, upstream, backend, certificates, folder, connections, generation }) {
    const http = `
      upstream backend {
        server ${backend};
        keepalive ${connections};
        keepalive_requests 1000000000;
      }
      server {
        listen ${address}${downstream === "https" ? " ssl http2" : ""} backlog=4096;
        ssl_certificate ${certificates.cert};
        ssl_certificate_key ${certificates.key};
        client_max_body_size 0;
        ${generation === 0 ? "" : `add_header X-Generation ${generation};`}
        location / {
          proxy_pass ${upstream}://backend;
          proxy_ssl_trusted_certificate ${certificates.authority};
          proxy_ssl_verify on;
          proxy_ssl_name localhost;
          proxy_http_version 1.1;
          proxy_request_buffering off;
          proxy_max_temp_file_size 0;
          proxy_buffers 16 64k;
          proxy_buffer_size 16k;
          proxy_busy_buffers_size 256k;
          proxy_set_header Connection "";
          proxy_set_header Host $http_host;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          proxy_set_header X-Forwarded-Proto $scheme;
          proxy_set_header X-Forwarded-Host $http_host;
          proxy_set_header Via "1.1 nginx";
        }
      }`;
    return { ...nginxCommand(folder, http), reload: "SIGHUP" };
  },
};
