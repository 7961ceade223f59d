/** Proves a contender correct before it is measured: a fast wrong answer is not a result. */

import { RawClient } from "../../tests/support/raw_client.ts";
import { BODY } from "./body.ts";

/** @throws {Error} Naming what is wrong. */
export async function proveCorrect(name: string, address: string): Promise<void> {
  using client = await RawClient.connect(address);
  const probe = `probe-${crypto.randomUUID()}`;
  const CASES = [
    { path: "/", fields: "", status: 200, body: BODY },
    { path: "/probe", fields: `X-Probe: ${probe}\r\n`, status: 200, body: probe },
    { path: "/", fields: "", status: 200, body: BODY },
  ];
  for (const { path, fields, status, body } of CASES) {
    await client.send(`GET ${path} HTTP/1.1\r\nHost: ${address}\r\n${fields}\r\n`);
    const reply = await client.readResponse();
    if (reply.status !== status || reply.text !== body) {
      const wanted = `${status} with ${JSON.stringify(body)}`;
      throw new Error(`${name} is not correct: GET ${path} gave ${reply.status} with "${reply.text}", not ${wanted}`);
    }
    if (!reply.keepAlive) throw new Error(`${name} does not keep the connection`);
  }
}
