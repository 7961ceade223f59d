/**
 * What stands behind every contender, over HTTP and HTTPS (HTTP/1.1): nginx where it is installed, because it costs
 * least beside the proxy; else `Deno.serve` (scripts/deno_backend.ts). Both answer alike:
 *
 *     /            66 bytes
 *     /page        66 bytes with the fields of a web page
 *     /16k …       files
 *     /sink        66 bytes, once the request's body has been read whole
 *     /echo        the request's body
 *     /probe       what was forwarded about the client, and X-Probe
 */

import { testCertificates } from "../../tests/support/certificates.ts";
import { denoScript, freeAddress, launchProcess, programVersion } from "./bench_process.ts";
import type { CertificateFiles, Launch, Scheme } from "./contender.ts";
import { nginxCommand } from "./nginx_command.ts";
import { BODY, content, FILES, PAGE_FIELDS } from "./shapes.ts";

export interface Backend extends AsyncDisposable {
  /** With its version. */
  readonly name: string;
  /** "127.0.0.1:PORT" of each. */
  readonly addresses: Readonly<Record<Scheme, string>>;
  readonly certificates: CertificateFiles;
  /** How many connections it has accepted so far, or null where that cannot be told. */
  accepted(): Promise<number | null>;
}

/** What a backend is started with; also the argument of scripts/deno_backend.ts. */
export interface BackendSetup {
  readonly addresses: Readonly<Record<Scheme, string>>;
  readonly certificates: CertificateFiles;
}

/** @param folder Its own, to be removed afterwards. */
export async function startBackend(folder: string): Promise<Backend> {
  const setup = {
    addresses: { http: freeAddress(), https: freeAddress() },
    certificates: await writeCertificates(folder),
  };
  const nginx = await programVersion("nginx", "-v");
  const launch = nginx === null
    ? denoScript("deno_backend.ts", JSON.stringify(setup))
    : nginxBackend(folder, setup, freeAddress());
  const process = launchProcess(launch, folder);
  const dispose = () => process.stop();
  try {
    await Promise.all(Object.values(setup.addresses).map((address) => process.waitForConnect(address)));
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    name: nginx ?? `Deno.serve ${Deno.version.deno}`,
    ...setup,
    accepted: () => nginx === null ? Promise.resolve(null) : acceptedByNginx(setup.addresses.http),
    [Symbol.asyncDispose]: dispose,
  };
}

function nginxBackend(folder: string, { addresses, certificates }: BackendSetup, inner: string): Launch {
  Deno.chmodSync(folder, 0o755); // as root, nginx reads the files as somebody else
  Deno.mkdirSync(`${folder}/files`);
  for (const [path, bytes] of Object.entries(FILES)) writeFile(`${folder}/files${path}`, bytes);
  const quoted = (text: string) => `'${text.replaceAll("'", "\\'")}'`;
  const fields = Object.entries(PAGE_FIELDS).map(([name, value]) => `add_header ${name} ${quoted(value)};`).join("\n");
  // A location that only returns does not wait for the request's body; one that proxies does.
  const http = `
    sendfile on;
    tcp_nopush on;
    upstream inner { server ${inner}; keepalive 256; keepalive_requests 1000000000; }
    server {
      listen ${addresses.http} backlog=4096;
      listen ${addresses.https} ssl backlog=4096;
      ssl_certificate ${certificates.cert};
      ssl_certificate_key ${certificates.key};
      client_max_body_size 0;
      client_body_buffer_size 2m;
      default_type text/plain;
      root ${folder}/files;
      location = / { return 200 "${BODY}"; }
      location = /page { ${fields} return 200 "${BODY}"; }
      location = /probe {
        set $client "$http_x_forwarded_for|$http_x_forwarded_proto|$http_x_forwarded_host";
        return 200 "$http_x_probe|$client|$http_via";
      }
      location = /sink {
        proxy_pass http://inner;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
      }
      location = /echo { proxy_pass http://inner; proxy_set_header X-Body $request_body; }
      location = /status { stub_status; }
    }
    server {
      listen ${inner};
      location = /sink { return 200 "${BODY}"; }
      location = /echo { return 200 "$http_x_body"; }
    }`;
  return nginxCommand(folder, http);
}

function writeFile(path: string, bytes: number): void {
  using file = Deno.openSync(path, { write: true, create: true });
  for (const piece of content(bytes)) {
    for (let at = 0; at < piece.length;) at += file.writeSync(piece.subarray(at));
  }
}

async function acceptedByNginx(address: string): Promise<number> {
  const status = await (await fetch(`http://${address}/status`)).text();
  const match = /accepts handled requests\s+(\d+)/.exec(status);
  if (match === null) throw new Error(`Cannot read nginx's status:\n${status}`);
  return Number(match[1]);
}

async function writeCertificates(folder: string): Promise<CertificateFiles> {
  const { authority, localhost } = await testCertificates();
  const texts = {
    authority: authority.cert,
    cert: localhost.cert,
    key: localhost.key,
    pair: `${localhost.cert}\n${localhost.key}`,
  };
  const paths = Object.entries(texts).map(([name, text]) => {
    const path = `${folder}/${name}.pem`;
    Deno.writeTextFileSync(path, text);
    return [name, path];
  });
  return Object.fromEntries(paths);
}
