import { type Case, refuses, route, routed } from "../config_support.ts";

const ROUTES: readonly Case[] = [
  ["no action", route('path = "/"'), "5: routes[0]: must have one of upstream, redirect or respond, got none"],
  [
    "two actions",
    routed('redirect = { to = "/x" }'),
    "7: routes[0].redirect: must be the only action, but upstream is set at line 6",
  ],
  [
    "an unknown upstream",
    route('upstream = "zebra"'),
    '6: routes[0].upstream: no upstream named "zebra" (upstreams: api)',
  ],
  [
    "an unknown mirror",
    routed('mirror = "ap"'),
    '7: routes[0].mirror: no upstream named "ap"; did you mean "api"? (upstreams: api)',
  ],
  [
    "an unknown part",
    route('split = [{ upstream = "apy" }]'),
    '6: routes[0].split[0].upstream: no upstream named "apy"; did you mean "api"? (upstreams: api)',
  ],
  [
    "a name twice",
    routed('name = "a"\n[[routes]]\nname = "a"\npath = "/x"\nupstream = "api"'),
    '9: routes[1].name: "a" is already the name of routes[0] at line 5',
  ],
  [
    "a host with a port",
    routed('host = "a.com:80"'),
    '7: routes[0].host: must be a lower-case name without port or trailing dot, got "a.com:80"',
  ],
  [
    "a host in upper case",
    routed('host = ["A.com"]'),
    '7: routes[0].host[0]: must be a lower-case name without port or trailing dot, got "A.com"',
  ],
  [
    "a wildcard inside",
    routed('host = "a.*.com"'),
    '7: routes[0].host: "*" must be the whole first label, as in "*.a.com", got "a.*.com"',
  ],
  ["any host, written out", routed('host = "*"'), '7: routes[0].host: leave the host out to match any, got "*"'],
  ["a host twice", routed('host = ["a", "a"]'), '7: routes[0].host[1]: "a" is listed twice'],
  ["a path without slash", routed('path = "a"'), '7: routes[0].path: must begin with "/", got "a"'],
  [
    "a star inside",
    routed('path = "/a/*/b"'),
    '7: routes[0].path: "*" must be the whole last segment, as in "/a/*", got "/a/*/b"',
  ],
  [
    "a star at a word",
    routed('path = "/a*"'),
    '7: routes[0].path: "*" must be the whole last segment, as in "/a/*", got "/a*"',
  ],
  ["a parameter twice", routed('path = "/:a/:a"'), '7: routes[0].path: parameter ":a" must occur once, got "/:a/:a"'],
  [
    "a parameter without name",
    routed('path = "/:"'),
    '7: routes[0].path: ":" must be ":" and a name of letters, digits, "_", got "/:"',
  ],
  [
    "a query in the path",
    routed('path = "/a?b"'),
    '7: routes[0].path: must not contain "?" or "#"; use query conditions, got "/a?b"',
  ],
  [
    "a space in the path",
    routed('path = "/a b"'),
    '7: routes[0].path: must be printable ASCII without spaces; write other bytes as %XX, got "/a b"',
  ],
  [
    "methods in lower case",
    routed('methods = ["get"]'),
    '7: routes[0].methods[0]: must be in upper case, got "get"; use "GET"',
  ],
  ["a method that is none", routed('methods = ["GE T"]'), '7: routes[0].methods[0]: must be a method, got "GE T"'],
  ["CONNECT", routed('methods = "CONNECT"'), '7: routes[0].methods: must not be "CONNECT": sluice is no forward proxy'],
  [
    "a header name with a space",
    routed('headers = { "x y" = "1" }'),
    '7: routes[0].headers."x y": must be a header name, got "x y"',
  ],
  [
    "a header twice",
    routed('headers = { x-a = "1", X-A = "2" }'),
    '7: routes[0].headers.X-A: is the same header as "x-a"',
  ],
  [
    "a header value as a number",
    routed("headers = { x-a = 1 }"),
    "7: routes[0].headers.x-a: must be a header value in quotes, got 1",
  ],
  [
    "a query value with a space",
    routed('query = { a = "b c" }'),
    '7: routes[0].query.a: must be a parameter value, as it stands in the URL, got "b c"',
  ],
  [
    "a rewrite without slash",
    routed('rewrite = "x"'),
    '7: routes[0].rewrite: must be a path that begins with "/", got "x"',
  ],
  [
    "a rewrite with an unknown parameter",
    routed('path = "/:id"\nrewrite = "/:ix"'),
    '8: routes[0].rewrite: path "/:id" has no ":ix" (it has :id), got "/:ix"',
  ],
  [
    "a rewrite with a star from nowhere",
    routed('path = "/a"\nrewrite = "/*"'),
    '8: routes[0].rewrite: "*" has nothing to stand for: path "/a" does not end in "/*", got "/*"',
  ],
  [
    "a redirect with 200",
    route('redirect = { to = "/x", status = 200 }'),
    "6: routes[0].redirect.status: must be a whole number from 300 to 399, got 200",
  ],
  [
    "a redirect with 304",
    route('redirect = { to = "/x", status = 304 }'),
    "6: routes[0].redirect.status: must be 301, 302, 303, 307 or 308, got 304",
  ],
  ["a redirect to nowhere", route("redirect = {}"), "6: routes[0].redirect.to: is required"],
  [
    "a redirect with a line break",
    route('redirect = { to = "/a\\r\\nx: y" }'),
    '6: routes[0].redirect.to: must be a URL or a path that begins with "/", got "/a\\r\\nx: y"',
  ],
  [
    "a redirect whose host the client chooses",
    route('path = "/:h"\nredirect = { to = "https://:h/" }'),
    '7: routes[0].redirect.to: must not use "*" or ":name" in its host: a request could choose where it is sent, got "https://:h/"',
  ],
  [
    "a respond with 100",
    route("respond = { status = 100 }"),
    "6: routes[0].respond.status: must be a whole number from 200 to 599, got 100",
  ],
  [
    "a body that cannot be",
    route('respond = { status = 204, body = "x" }'),
    "6: routes[0].respond.body: must be empty with status 204",
  ],
  [
    "framing in a respond",
    route('respond = { headers = { Content-Length = "3" } }'),
    '6: routes[0].respond.headers.Content-Length: "content-length" is made anew for each message',
  ],
  [
    "a rewrite without upstream",
    route('respond = {}\nrewrite = "/"'),
    "7: routes[0].rewrite: has no effect with respond; it needs an upstream",
  ],
  [
    "timeouts without upstream",
    route('redirect = { to = "/" }\ntimeouts = { total = "1s" }'),
    "7: routes[0].timeouts: has no effect with redirect; it needs an upstream",
  ],
  [
    "a header with a line break",
    routed('request_headers.set = { x = "a\\r\\nb: c" }'),
    '7: routes[0].request_headers.set.x: must not hold line breaks, got "a\\r\\nb: c"',
  ],
  [
    "a header with a wide character",
    routed('request_headers.set = { x = "☃" }'),
    '7: routes[0].request_headers.set.x: must be a header value without control or wide characters, got "☃"',
  ],
  [
    "a header with outer spaces",
    routed('response_headers.add = { x = " a" }'),
    '7: routes[0].response_headers.add.x: must be a header value without outer spaces, got " a"',
  ],
  [
    "a framing header",
    routed('request_headers.set = { Transfer-Encoding = "chunked" }'),
    '7: routes[0].request_headers.set.Transfer-Encoding: "transfer-encoding" is made anew for each message',
  ],
  [
    "a framing header removed",
    routed('response_headers.remove = ["Connection"]'),
    '7: routes[0].response_headers.remove[0]: "connection" is made anew for each message',
  ],
  [
    "a Host that is set",
    routed('request_headers.set = { host = "a" }'),
    `7: routes[0].request_headers.set.host: "host" is set by the upstream's host setting`,
  ],
  [
    "a Host that is removed",
    routed('request_headers.remove = ["Host"]'),
    '7: routes[0].request_headers.remove[0]: "host" cannot be removed: a request needs one',
  ],
  [
    "a header set and removed",
    routed('request_headers = { set = { x = "1" }, remove = ["X"] }'),
    '7: routes[0].request_headers.remove[0]: "x" is also set',
  ],
  [
    "a removed header that is no name",
    routed('response_headers.remove = ["a:b"]'),
    '7: routes[0].response_headers.remove[0]: must be a header name, got "a:b"',
  ],
];

refuses(ROUTES);
