/** Caddy on one processor (`GOMAXPROCS=1`), as the others have one worker. Its access log is off by default. */

import { programVersion } from "../bench_process.ts";
import type { Contender } from "../contender.ts";

export const caddy: Contender = {
  name: "caddy",
  http2: true,
  reloads: true,
  async availability() {
    const version = await programVersion("caddy", "version");
    return version === null ? { missing: "not installed" } : { version: `Caddy ${version}` };
  },
  launch({ address, downstream, upstream, backend, certificates, folder, connections, generation }) {
    const port = address.split(":")[1];
    const tlsUp = upstream === "https"
      ? `tls_trusted_ca_certs ${certificates.authority}\n      tls_server_name localhost`
      : "";
    const configuration = `{
  admin unix/${folder}/admin.sock
  auto_https disable_redirects
  storage file_system ${folder}/storage
  skip_install_trust
  log {
    level WARN
  }
  servers {
    protocols h1 h2
  }
}
${downstream}://127.0.0.1:${port} {
  bind 127.0.0.1
  ${downstream === "https" ? `tls ${certificates.cert} ${certificates.key}` : ""}
  ${generation === 0 ? "" : `header X-Generation ${generation}`}
  reverse_proxy ${upstream}://${backend} {
    header_up Via "1.1 caddy"
    transport http {
      keepalive_idle_conns ${connections}
      keepalive_idle_conns_per_host ${connections}
      compression off
      ${tlsUp}
    }
  }
}
`;
    const env = { GOMAXPROCS: "1", HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
    const config = ["--config", `${folder}/Caddyfile`, "--adapter", "caddyfile"];
    return {
      program: "caddy",
      args: ["run", ...config],
      env,
      files: { Caddyfile: configuration },
      reload: {
        program: "caddy",
        args: ["reload", "--force", "--address", `unix/${folder}/admin.sock`, ...config],
        env,
      },
    };
  },
};
