/** nginx in the foreground on a configuration of ours: for the contender and for the backend. */

import type { Launch } from "./contender.ts";

/** @param http What stands in `http { }`. One worker. */
export function nginxCommand(folder: string, http: string): Launch {
  const configuration = `
    worker_processes 1;
    pid ${folder}/nginx.pid;
    error_log stderr warn;
    worker_rlimit_nofile 20000;
    events { worker_connections 8192; }
    http {
      access_log off;
      client_body_temp_path ${folder}/body;
      proxy_temp_path ${folder}/proxy;
      fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi;
      scgi_temp_path ${folder}/scgi;
      keepalive_requests 1000000000;
      ${http}
    }`;
  return {
    program: "nginx",
    args: ["-p", folder, "-e", "stderr", "-c", `${folder}/nginx.conf`, "-g", "daemon off;"],
    files: { "nginx.conf": configuration },
  };
}
