/** The backend where nginx is missing; see backend.ts. */

import { BODY } from "./body.ts";

const http = Deno.serve(
  {
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ hostname, port }) =>
      console.log(JSON.stringify({ event: "listening", address: `${hostname}:${port}` })),
  },
  (request) => new Response(request.url.endsWith("/probe") ? request.headers.get("x-probe") : BODY),
);

Deno.addSignalListener("SIGTERM", async () => {
  await http.shutdown();
  Deno.exit(0);
});
