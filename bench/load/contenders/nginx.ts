/** nginx, one worker, with as many idle connections to the backend as it needs. */

import { freeAddress } from "../bench_process.ts";
import type { Contender } from "../contender.ts";
import { nginxVersion, startNginx } from "../nginx_process.ts";

export const nginx: Contender = {
  name: "nginx",
  version: nginxVersion,
  start({ backend, folder, connections }) {
    const address = freeAddress();
    return startNginx(
      folder,
      address,
      `
      upstream backend {
        server ${backend};
        keepalive ${Math.max(64, connections)};
        keepalive_requests 1000000000;
      }
      server {
        listen ${address};
        location / {
          proxy_pass http://backend;
          proxy_http_version 1.1;
          proxy_set_header Connection "";
          proxy_set_header Host $host;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          proxy_set_header X-Forwarded-Proto $scheme;
        }
      }`,
    );
  },
};
