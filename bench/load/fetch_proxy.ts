/** The plain proxy: `deno run -A bench/load/fetch_proxy.ts 127.0.0.1:BACKEND`. */

const backend = Deno.args[0];

const http = Deno.serve(
  {
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ hostname, port }) =>
      console.log(JSON.stringify({ event: "listening", address: `${hostname}:${port}` })),
  },
  (request) => {
    const url = new URL(request.url);
    const headers = new Headers(request.headers);
    headers.set("x-forwarded-host", url.host);
    return fetch(`http://${backend}${url.pathname}${url.search}`, {
      method: request.method,
      headers,
      body: request.body,
      redirect: "manual",
    });
  },
);

Deno.addSignalListener("SIGTERM", async () => {
  await http.shutdown();
  Deno.exit(0);
});
