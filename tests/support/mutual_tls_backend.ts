/**
 * An HTTPS backend that demands a client certificate. On `node:https`, because `Deno.listenTls` cannot ask for one;
 * for the same reason it only answers well, with the name in the certificate that was shown.
 */

import https from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Certificate } from "./certificates.ts";

export interface MutualTlsOptions {
  readonly certificate: Certificate;
  /** Whose client certificates are accepted. PEM. */
  readonly clientAuthority: string;
}

export class MutualTlsBackend {
  /** Common names of the certificates shown, one for each request. */
  readonly clients: string[];
  readonly #https: https.Server;

  private constructor(options: MutualTlsOptions) {
    const { certificate: { cert, key }, clientAuthority } = options;
    this.clients = [];
    this.#https = https.createServer(
      { cert, key, ca: clientAuthority, requestCert: true, rejectUnauthorized: true },
      (request, response) => {
        const { CN } = (request.socket as TLSSocket).getPeerCertificate().subject;
        this.clients.push(String(CN));
        response.end(String(CN));
      },
    );
  }

  /** Listens on 127.0.0.1. */
  static async start(options: MutualTlsOptions): Promise<MutualTlsBackend> {
    const backend = new MutualTlsBackend(options);
    await new Promise<void>((resolve) => backend.#https.listen(0, "127.0.0.1", resolve));
    return backend;
  }

  get port(): number {
    return (this.#https.address() as AddressInfo).port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#https.close(resolve));
    this.#https.closeAllConnections();
    await closed;
  }
}
