/** The admin API of a running sluice, for tests: over a raw connection, so that nothing is kept open behind their back. */

import type { EventView, OutcomeView, StatusView } from "../../lib/admin/views.ts";
import { RawClient } from "../support/raw_client.ts";
import type { SluiceProcess } from "../support/sluice_process.ts";
import { PATIENCE_MS } from "../support/proxy_stage.ts";

export const ADMIN_TOML = `[admin]\naddress = "127.0.0.1:0"\n`;

export interface AdminAnswer<T> {
  readonly status: number;
  readonly view: T;
}

export class AdminClient {
  readonly address: string;
  readonly #token: string;

  constructor(address: string, token = "") {
    this.address = address;
    this.#token = token;
  }

  static async of(sluice: SluiceProcess, token = ""): Promise<AdminClient> {
    return new AdminClient(await sluice.waitForAddress("admin"), token);
  }

  async ask<T>(request: string, body = ""): Promise<AdminAnswer<T>> {
    const [method] = request.split(" ");
    using client = await RawClient.connect(this.address, { deadlineMs: PATIENCE_MS });
    const lines = [
      `${request} HTTP/1.1`,
      "Host: localhost",
      "Connection: close",
      ...this.#token === "" ? [] : [`Authorization: Bearer ${this.#token}`],
      ...method === "GET" ? [] : ["Content-Type: application/json", `Content-Length: ${body.length}`],
    ];
    await client.send(`${lines.join("\r\n")}\r\n\r\n${body}`);
    const { status, body: bytes } = await client.readResponse({ method });
    const text = new TextDecoder().decode(bytes);
    return { status, view: (text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : text) as T };
  }

  async status(): Promise<StatusView> {
    return (await this.ask<StatusView>("GET /api/status")).view;
  }

  async events(): Promise<readonly EventView[]> {
    return (await this.ask<readonly EventView[]>("GET /api/events")).view;
  }

  /** @param backend "api/b1". */
  async command(command: "drain" | "disable" | "enable", backend: string): Promise<OutcomeView> {
    return (await this.ask<OutcomeView>(`POST /api/backends/${backend}/${command}`)).view;
  }

  async weight(backend: string, weight: number | null): Promise<OutcomeView> {
    return (await this.ask<OutcomeView>(`PUT /api/backends/${backend}/weight`, JSON.stringify({ weight }))).view;
  }

  /** "draining drain": state and override of a backend. */
  async stateOf(backend: string): Promise<string> {
    const [upstream, name] = backend.split("/");
    const { upstreams } = await this.status();
    const view = upstreams.find((one) => one.name === upstream)?.backends.find((one) => one.name === name);
    if (view === undefined) return "none";
    const { state, override } = view;
    return override === null ? state : `${state} ${override.command ?? ""}${override.weight ?? ""}`.trim();
  }

  /** Asks again and again, ten times a second at most. */
  async until(isMet: () => Promise<boolean>, wanted: string): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS;
    while (!(await isMet())) {
      if (performance.now() > endMs) throw new Error(`Waited in vain: ${wanted}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
