import { assertEquals } from "@std/assert";
import { backends, type Case, listener, MINIMAL, problems, refuses, routed } from "../config_support.ts";

Deno.test("validate() takes the smallest configuration", async () => {
  assertEquals(await problems(MINIMAL), []);
});

Deno.test("validate() reports every problem at once, as the reference prints them", async () => {
  const text = `[[listeners]]
address = "0.0.0.0:8080"
[upstreams.api]
strategy = "round-robin"
backends = [{ url = "http://a" }]
[upstreams.web]
backends = [
  { url = "http://b", weight = 3 },
  { url = "http://c", wieght = -1 },
]
[[routes]]
path = "/a"
upstream = "api"
[[routes]]
path = "/b"
upstream = "web"
[[routes]]
upstream = "apii"
`;
  assertEquals(await problems(text), [
    'config.toml:4: upstreams.api.strategy: unknown strategy "round-robin"; did you mean "round_robin"?',
    'config.toml:8: upstreams.web.backends[0].weight: has no effect with strategy "round_robin"; use "weighted_round_robin"',
    'config.toml:9: upstreams.web.backends[1].wieght: unknown key; did you mean "weight"?',
    'config.toml:18: routes[2].upstream: no upstream named "apii"; did you mean "api"? (upstreams: api, web)',
  ]);
});

Deno.test("validate() names range and value", async () => {
  assertEquals(await problems(backends('{ url = "http://a" }, { url = "http://b", weight = -1 }')), [
    "config.toml:4: upstreams.api.backends[1].weight: must be a whole number from 0 to 65535, got -1",
  ]);
});

const STRUCTURE: readonly Case[] = [
  ["an empty file", "", "1: listeners: at least one is required", "1: routes: at least one is required"],
  ["no route", MINIMAL.replace(/\[\[routes[^]*/, ""), "1: routes: at least one is required"],
  ["no listener", MINIMAL.replace(/^[^]*(?=\[up)/, ""), "1: listeners: at least one is required"],
  [
    "listeners as a table",
    MINIMAL.replace("[[listeners]]", "[listeners]"),
    "1: listeners: must be a list of tables, as [[listeners]] makes it, got a table",
  ],
  [
    "listeners as a text",
    MINIMAL.replace(/^[^]*(?=\[up)/, 'listeners = "x"\n'),
    '1: listeners: must be a list of tables, as [[listeners]] makes it, got "x"',
  ],
  [
    "a listener that is none",
    "listeners = [1]\n" + MINIMAL.replace(/^[^]*(?=\[up)/, ""),
    "1: listeners[0]: must be a table, got 1",
    "1: listeners[0].address: is required",
  ],
  [
    "upstreams as a list",
    MINIMAL.replace("[upstreams.api]", "[[upstreams]]"),
    "3: upstreams: must be a table, got a list; write [upstreams] once, without doubled brackets",
    '6: routes[0].upstream: no upstream named "api" (there are none)',
  ],
  ["an unknown section", MINIMAL + "[sever]\nx = 1", '7: sever: unknown key; did you mean "server"?'],
  [
    "a stranger",
    MINIMAL + "[zzz]",
    "7: zzz: unknown key; known here: server, admin, listeners, upstreams, routes, features, log, tracing",
  ],
  [
    "an unset variable",
    listener('address = "${HOST}:1"'),
    '2: listeners[0].address: environment variable "HOST" is not set; set it, or give a default: "${HOST:-…}"',
  ],
  [
    "an unset variable in a list",
    routed('host = ["a", "${HOST}"]'),
    '7: routes[0].host[1]: environment variable "HOST" is not set; set it, or give a default: "${HOST:-…}"',
  ],
  [
    "the reader's and the scanner's problems together",
    routed('upstream = "api"\nmehtods = ["GET"]'),
    "7: routes[0].upstream: already set at line 6",
    '8: routes[0].mehtods: unknown key; did you mean "methods"?',
  ],
];

const SERVER: readonly Case[] = [
  ["server as a number", "server = 1\n" + MINIMAL, "1: server: must be a table, got 1"],
  [
    "workers 0",
    MINIMAL + "[server]\nworkers = 0",
    '8: server.workers: must be a whole number from 1 to 256 or "auto", got 0',
  ],
  [
    "workers as a text",
    MINIMAL + '[server]\nworkers = "two"',
    '8: server.workers: must be a whole number from 1 to 256 or "auto", got the text "two"',
  ],
  [
    "half a worker",
    MINIMAL + "[server]\nworkers = 1.5",
    '8: server.workers: must be a whole number from 1 to 256 or "auto", got 1.5',
  ],
  [
    "drain without a unit",
    MINIMAL + "[server]\ndrain = 30",
    '8: server.drain: must be a duration such as "250ms", "2s" or "1m30s", got 30 without a unit',
  ],
  [
    "drain in text without a unit",
    MINIMAL + '[server]\ndrain = "30"',
    '8: server.drain: must be a duration such as "250ms", "2s" or "1m30s", got "30" without a unit',
  ],
  ["endless drain", MINIMAL + '[server]\ndrain = "2d"', '8: server.drain: must be from "0s" to "1d", got "2d"'],
  [
    "a bad network",
    MINIMAL + '[server]\ntrusted_proxies = ["10.0.0.0/8", "10.0.0.1/8"]',
    '8: server.trusted_proxies[1]: must have no bits set beyond its prefix, got "10.0.0.1/8"; did you mean "10.0.0.0/8"?',
  ],
  [
    "networks without brackets",
    MINIMAL + '[server]\ntrusted_proxies = "10.0.0.0/8"',
    '8: server.trusted_proxies: must be a list in brackets, got "10.0.0.0/8"',
  ],
  [
    "a network twice",
    MINIMAL + '[server]\ntrusted_proxies = ["::1", "::1"]',
    '8: server.trusted_proxies[1]: "::1" is listed twice',
  ],
  [
    "a network as a date",
    MINIMAL + "[server]\ntrusted_proxies = [1979-05-27]",
    "8: server.trusted_proxies[0]: must be a network in quotes, got a date",
  ],
  [
    "an unknown form",
    MINIMAL + '[server]\nforwarded = "x-forwared"',
    '8: server.forwarded: unknown form "x-forwared"; did you mean "x-forwarded"?',
  ],
  [
    "a form that is no text",
    MINIMAL + "[server]\nforwarded = true",
    '8: server.forwarded: must be "x-forwarded", "rfc7239", "both" or "off", got true',
  ],
  [
    "an unknown treatment of underscores",
    MINIMAL + '[server]\nunderscores = "dropped"',
    '8: server.underscores: unknown treatment "dropped"; did you mean "drop"?',
  ],
  [
    "an open admin listener",
    MINIMAL + '[admin]\naddress = "0.0.0.0:1"',
    '7: admin.token: is required, as "0.0.0.0:1" can be reached from other machines',
  ],
  ["a token with a line break", MINIMAL + '[admin]\ntoken = "hunter2\\n"', "8: admin.token: must not hold line breaks"],
  ["a token that is a number", MINIMAL + "[admin]\ntoken = 1234", "8: admin.token: must be a header value in quotes"],
  [
    "an unknown level",
    MINIMAL + '[log]\nlevel = "warning"',
    '8: log.level: unknown level "warning"; did you mean "warn"?',
  ],
  [
    "a strange level",
    MINIMAL + '[log]\nlevel = "verbose"',
    '8: log.level: unknown level "verbose"; use "debug", "info", "warn" or "error"',
  ],
  ["an empty access file", MINIMAL + '[log]\naccess = ""', '8: log.access: must be a path, got ""'],
  ["a sample over 1", MINIMAL + "[tracing]\nsample = 1.5", "8: tracing.sample: must be a number from 0 to 1, got 1.5"],
  [
    "a sample of nothing",
    MINIMAL + "[tracing]\nsample = nan",
    "8: tracing.sample: must be a number from 0 to 1, got NaN",
  ],
  [
    "an endpoint without scheme",
    MINIMAL + '[tracing]\nendpoint = "localhost"',
    '8: tracing.endpoint: must be an http or https URL, got "localhost"',
  ],
  [
    "an endpoint with a port out of range",
    MINIMAL + '[tracing]\nendpoint = "http://a:70000/v1/traces"',
    '8: tracing.endpoint: must be an http or https URL, got "http://a:70000/v1/traces"',
  ],
  [
    "an endpoint with a password, without repeating it",
    MINIMAL + '[tracing]\nendpoint = "http://user:hidden@a/v1/traces"',
    "8: tracing.endpoint: must not hold a user or password",
  ],
  [
    "an endpoint with a fragment",
    MINIMAL + '[tracing]\nendpoint = "http://a/v1/traces#x"',
    '8: tracing.endpoint: must be a URL without a fragment, got "http://a/v1/traces#x"',
  ],
  [
    "a service without a name",
    MINIMAL + '[tracing]\nservice = ""',
    '8: tracing.service: must be a name without quotes, backslashes, control characters or outer spaces, got ""',
  ],
];

const LISTENERS: readonly Case[] = [
  ["no address", listener('name = "a"'), "1: listeners[0].address: is required"],
  [
    "a port alone",
    listener('address = "8080"'),
    '2: listeners[0].address: must name a host; did you mean "0.0.0.0:8080"?',
  ],
  ["a port as a number", listener("address = 8080"), "2: listeners[0].address: must be an address in quotes, got 8080"],
  [
    "a high port",
    listener('address = "a:70000"'),
    '2: listeners[0].address: must have a port from 0 to 65535, got "70000"',
  ],
  [
    "an unknown engine",
    listener('address = "a:1"\nengine = "Wires"'),
    '3: listeners[0].engine: unknown engine "Wires"; did you mean "wire"?',
  ],
  [
    "an address twice",
    listener('address = "a:1"\n[[listeners]]\naddress = "A:1"'),
    '4: listeners[1].address: "a:1" is already the address of listeners[0] at line 1',
  ],
  [
    "the admin address",
    listener('address = "127.0.0.1:9900"') + "[admin]",
    '2: listeners[0].address: "127.0.0.1:9900" is already the address of admin at line 7',
  ],
  [
    "a name twice",
    listener('name = "p"\naddress = "a:1"\n[[listeners]]\nname = "p"\naddress = "a:2"'),
    '5: listeners[1].name: "p" is already the name of listeners[0] at line 1',
  ],
  [
    "a name with a quote",
    listener('name = \'a"b\'\naddress = "a:1"'),
    '2: listeners[0].name: must be a name without quotes, backslashes, control characters or outer spaces, got "a\\"b"',
  ],
  ["a cert without key", listener('address = "a:1"\ntls = { cert = "a.pem" }'), "3: listeners[0].tls.key: is required"],
  ["a key without cert", listener('address = "a:1"\ntls = { key = "a.key" }'), "3: listeners[0].tls.cert: is required"],
  [
    "tls as a flag",
    listener('address = "a:1"\ntls = true'),
    "3: listeners[0].tls: must be a table, got true",
    "3: listeners[0].tls.cert: is required",
    "3: listeners[0].tls.key: is required",
  ],
  [
    "a rate without a unit",
    listener('address = "a:1"\nlimits.body_min_rate = 240'),
    '3: listeners[0].limits.body_min_rate: must be a size such as "64KiB", "1MiB" or "10MB", got 240 without a unit',
  ],
  [
    "a head in bytes",
    listener('address = "a:1"\nlimits.head = 1024'),
    '3: listeners[0].limits.head: must be a size such as "64KiB", "1MiB" or "10MB", got 1024 without a unit',
  ],
  [
    "a head of nothing",
    listener('address = "a:1"\nlimits.head = "0B"'),
    '3: listeners[0].limits.head: must be from "1KiB" to "1MiB", got "0B"',
  ],
  [
    "a small unit",
    listener('address = "a:1"\nlimits.body = "10mb"'),
    '3: listeners[0].limits.body: must be a size such as "64KiB", "1MiB" or "10MB", got "10mb"',
  ],
  [
    "a head too large for serve",
    listener('address = "a:1"\nlimits.head = "65KiB"'),
    '3: listeners[0].limits.head: only engine = "wire" can hold to this; "serve" takes at most "64KiB"',
  ],
  [
    "fields too many for serve",
    listener('address = "a:1"\nlimits.fields = 129'),
    '3: listeners[0].limits.fields: only engine = "wire" can hold to this; "serve" takes at most 128',
  ],
  ...["head_timeout", "idle_timeout", "half_close"].map((
    key,
  ): Case => [
    `${key} under serve`,
    listener(`address = "a:1"\nlimits.${key} = "1s"`),
    `3: listeners[0].limits.${key}: only engine = "wire" can hold to this`,
  ]),
  ...["connections", "connections_per_ip"].map((
    key,
  ): Case => [
    `${key} under serve`,
    listener(`address = "a:1"\nlimits.${key} = 5`),
    `3: listeners[0].limits.${key}: only engine = "wire" can hold to this`,
  ]),
];

refuses([...STRUCTURE, ...SERVER, ...LISTENERS]);
