/**
 * The program behind `ChildBackend`: a backend as a process of its own, so that it can be killed and stopped.
 *
 * Arguments: name, port (0: a free one). Prints `listening PORT`, then `post ID` for every POST that it carries out,
 * before it answers: what a process has printed survives its death. The target says what a request gets, `/x?do=hang`;
 * `/control?do=503` says what all requests get that say nothing.
 */

const [name, port] = Deno.args;
const encoder = new TextEncoder();

let everyDo = "";
let healthStatus = 200;
let requests = 0;
let probes = 0;

Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen: ({ port }) => print(`listening ${port}`) }, answer);

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const wish = url.searchParams.get("do");
  switch (url.pathname) {
    case "/control":
      everyDo = wish ?? "";
      healthStatus = Number(url.searchParams.get("health") ?? 200);
      return new Response("done");
    case "/count":
      return Response.json({ requests, probes });
    case "/healthz":
      probes++;
      return new Response(null, { status: healthStatus });
  }
  requests++;
  const bytes = (await request.arrayBuffer()).byteLength;
  if (request.method === "POST") print(`post ${request.headers.get("x-request-id")}`);
  return await act(wish ?? everyDo, request, bytes);
}

async function act(what: string, request: Request, bytes: number): Promise<Response> {
  const headers = { "x-backend": name };
  if (/^\d{3}$/.test(what)) return new Response(what, { status: Number(what), headers });
  switch (what) {
    case "hang":
      return await new Promise<Response>(() => {});
    case "slow":
      await new Promise((resolve) => setTimeout(resolve, 50));
      break;
    case "break":
      return new Response(broken(), { headers });
    case "trickle":
      return new Response(trickle(), { headers });
    case "large":
      return new Response(new Uint8Array(1024 * 1024), { headers });
  }
  const id = request.headers.get("x-request-id");
  return new Response(`${name} ${id} ${bytes}`, { headers });
}

/** Begins, and ends in the middle of a chunk. */
function broken(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      controller.enqueue(encoder.encode("a beginning\n"));
      await new Promise((resolve) => setTimeout(resolve, 20));
      controller.error(new Error("broken on purpose"));
    },
  });
}

function trickle(): ReadableStream<Uint8Array> {
  let left = 10;
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      controller.enqueue(encoder.encode("drop\n"));
      if (--left === 0) controller.close();
    },
  });
}

function print(line: string): void {
  const bytes = encoder.encode(`${line}\n`);
  for (let written = 0; written < bytes.length;) written += Deno.stdout.writeSync(bytes.subarray(written));
}
