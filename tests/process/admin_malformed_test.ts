/** Bytes that are no sensible request, to the admin listener over a socket: refused, and no bug of ours whatever comes. */

import { assert, assertEquals } from "../support/assert.ts";
import { RawClient } from "../support/raw_client.ts";
import { parseListenAddress } from "../../lib/base/address.ts";
import { openAdminListener } from "../../lib/admin/listener.ts";
import { FakeOperator } from "../unit/admin/admin_stage.ts";

const SILENT = { onBug: () => {}, onFailed: () => {}, onRestored: () => {} };

const HOSTS = [
  ...[
    "localhost:x",
    "localhost:",
    "localhost:99999",
    "localhost:1:2",
    ":",
    ":80",
    "",
    " ",
    "[::1",
    "[::1]x",
    "[x]",
    "::1",
  ],
  ...[
    "a b",
    "%zz",
    "%00",
    "localhost%",
    "user@localhost",
    "localhost/",
    "localhost\\x",
    "localhost?",
    "localhost#",
    "\xff",
  ],
  ...["^", "|", "<", "localhost,localhost", "xn--", "0x7f.1", "1.2.3.4.5", "256.256.256.256", "a".repeat(20_000)],
];
const TARGETS = [
  ...[
    "*",
    "//",
    "//x:y/",
    "/%",
    "/%zz",
    "/%ff/%c0%80",
    "/api/%",
    "/api/events?after=%",
    "/api/events?%=%",
    "/?\xff",
    "/\\x",
  ],
  ...[
    "http://x:y/",
    "http://[/",
    "http:///",
    "http:",
    "x://a/",
    "localhost:x",
    "localhost:80",
    "/a/../../../..",
    "/#",
    "?",
  ],
  ...[
    "/api/backends/%/%/drain",
    "/api/backends/%ff/a/drain",
    "/api/workers/%/restart",
    "/assets/%",
    "/assets/__proto__",
  ],
];
const FIELDS = [
  ...["Authorization: Bearer", "Authorization: Bearer \xff\xfe", `Authorization: Bearer ${"a ".repeat(9000)}`],
  ...[
    "Origin: x",
    "Origin: http://",
    "Origin: \xff",
    "Sec-Fetch-Site: \xff",
    "Content-Type: ;;;",
    "Content-Type: \xff",
  ],
  ...["Accept: \xff", "Cookie: \xff", "Content-Encoding: x", "Upgrade: websocket\r\nConnection: Upgrade", "Range: x"],
];
const BODIES = ["", "{", "null", "[]", "\xff", "{}", '{"weight":1e999}', '{"__proto__":1}', '"' + "[".repeat(30_000)];

const ROWS: readonly (readonly [startLine: string, fields: readonly string[], body: string])[] = [
  ...HOSTS.flatMap((host) =>
    ["GET /api/status", "HEAD /", "POST /api/reload", "GET /readyz"].map((line) =>
      [line, [`Host: ${host}`], ""] as const
    )
  ),
  ...TARGETS.flatMap((target) =>
    ["GET", "HEAD", "POST", "OPTIONS", "TRACE"].map((method) =>
      [`${method} ${target}`, ["Host: localhost"], ""] as const
    )
  ),
  ...FIELDS.flatMap((field) =>
    ["GET /api/status", "POST /api/reload"].map((line) =>
      [line, ["Host: localhost", ...field.split("\r\n")], ""] as const
    )
  ),
  ...BODIES.flatMap((body) =>
    ["POST /api/plan", "POST /api/explain", "PUT /api/log", "PUT /api/backends/api/b1/weight"].map((line) =>
      [line, ["Host: localhost", "X-Sluice-Admin: 1", `Content-Length: ${body.length}`], body] as const
    )
  ),
  ["CONNECT localhost:x", ["Host: localhost:x"], ""],
  ["GET /api/status", [], ""],
  ["GET http://localhost:x/api/status", ["Host: localhost"], ""],
];

for (const token of ["", "s3cret"]) {
  Deno.test(`the admin listener ${token === "" ? "without" : "with"} a token has no bug that bytes bring about`, async () => {
    const bugs: unknown[] = [];
    const address = parseListenAddress("127.0.0.1:0");
    const config = { address, token, mode: null, gid: null } as unknown as Parameters<typeof openAdminListener>[0];
    const listener = await openAdminListener(config, new FakeOperator(), {
      ...SILENT,
      onBug: (error) => bugs.push(error),
    });
    try {
      for (const [line, fields, body] of ROWS) {
        using client = await RawClient.connect(listener.address, { deadlineMs: 20_000 });
        const head = [`${line} HTTP/1.1`, ...fields, "Connection: close"].join("\r\n");
        await client.send(`${head}\r\n\r\n${body}`);
        const { status } = await client.readResponse({ method: line.split(" ")[0] });
        assert(status < 500, `${JSON.stringify(head.slice(0, 200))} is answered ${status}`);
        assertEquals(bugs, [], head.slice(0, 200));
      }
    } finally {
      await listener.close();
    }
  });
}

Deno.test("the admin listener says what is wrong with a Host that makes no URL, before all else", async () => {
  const address = parseListenAddress("127.0.0.1:0");
  const config = { address, token: "t", mode: null, gid: null } as unknown as Parameters<typeof openAdminListener>[0];
  const listener = await openAdminListener(config, new FakeOperator(), SILENT);
  try {
    using client = await RawClient.connect(listener.address, { deadlineMs: 20_000 });
    await client.send("GET /api/status HTTP/1.1\r\nHost: localhost:x\r\n\r\n");
    const response = await client.readResponse();
    assertEquals([response.status, JSON.parse(response.text).ok], [400, false]);
    assertEquals(response.field("x-content-type-options"), "nosniff");
  } finally {
    await listener.close();
  }
});
