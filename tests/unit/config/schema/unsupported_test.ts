import { assertEquals } from "@std/assert";
import { UNSUPPORTED } from "../../../../lib/config/schema/unsupported.ts";
import { EVERYTHING_WORKS, MINIMAL, problems } from "../config_support.ts";

/** What makes use of each line of the list. A line that is gone is tested by what it has become. */
const USES: Readonly<Record<string, readonly [text: string, expected: string]>> = {
  "server.workers": ["[server]\nworkers = 2", "8: server.workers"],
  "admin": ["[admin]", "7: admin"],
  "listeners[].engine": ['[[listeners]]\naddress = "a:1"\nengine = "wire"', "9: listeners[1].engine"],
  "upstreams.*.resolve": ['[upstreams.b]\nbackends = [{ url = "http://a" }]\nresolve = "9s"', "9: upstreams.b.resolve"],
  "upstreams.*.slow_start": [
    '[upstreams.b]\nbackends = [{ url = "http://a" }]\nslow_start = "9s"',
    "9: upstreams.b.slow_start",
  ],
  "upstreams.*.panic_threshold": [
    '[upstreams.b]\nbackends = [{ url = "http://a" }]\npanic_threshold = 9',
    "9: upstreams.b.panic_threshold",
  ],
  "upstreams.*.pool.pipelining": [
    '[upstreams.b]\nbackends = [{ url = "http://a" }]\npool.pipelining = 9',
    "9: upstreams.b.pool.pipelining",
  ],
  "upstreams.*.health": ['[upstreams.b]\nbackends = [{ url = "http://a" }]\nhealth = {}', "9: upstreams.b.health"],
  "upstreams.*.circuit": [
    '[upstreams.b]\nbackends = [{ url = "http://a" }]\ncircuit.failures = 9',
    "9: upstreams.b.circuit.failures",
  ],
  "upstreams.*.retry": [
    '[upstreams.b]\nbackends = [{ url = "http://a" }]\nretry.backoff.max = "9s"',
    "9: upstreams.b.retry.backoff.max",
  ],
  "routes[].split": ['[[routes]]\npath = "/s"\nsplit = [{ upstream = "api" }]', "9: routes[1].split"],
  "routes[].mirror": ['[[routes]]\npath = "/s"\nupstream = "api"\nmirror = "api"', "10: routes[1].mirror"],
  "routes[].handler": ['[[routes]]\npath = "/s"\nhandler = "a.ts"', "9: routes[1].handler"],
};
for (const [key, [text, expected]] of Object.entries(USES)) {
  const only = new Set([key]);
  Deno.test(`loadConfig() refuses ${key} while it is unsupported`, async () => {
    assertEquals(await problems(MINIMAL + text, { unsupported: only }), [`config.toml:${expected}: not supported yet`]);
    assertEquals(await problems(MINIMAL + text, EVERYTHING_WORKS), []);
  });
}

Deno.test("UNSUPPORTED holds only what a test knows", () => {
  for (const key of UNSUPPORTED) assertEquals(Object.hasOwn(USES, key), true, key);
});

Deno.test("loadConfig() takes the defaults of what is unsupported", async () => {
  const text = MINIMAL.replace("[[routes]]", 'resolve = "30s"\nretry.attempts = 2\npool.pipelining = 1\n[[routes]]');
  assertEquals(await problems(text, { unsupported: new Set(Object.keys(USES)) }), []);
});

Deno.test("loadConfig() refuses a variable that moves what is unsupported", async () => {
  const env = { SLUICE_RETRY_ATTEMPTS: "3", SLUICE_HEALTH_RISE: "9" };
  assertEquals(await problems(MINIMAL, { env, unsupported: new Set(["upstreams.*.retry", "upstreams.*.health"]) }), [
    "SLUICE_RETRY_ATTEMPTS: not supported yet",
  ]);
});
