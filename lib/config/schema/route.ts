/** The description of `[[routes]]`; see `schema.ts`. */

import { DURATION_MAX } from "../defaults.ts";
import {
  displayName,
  duration,
  type KeySpecs,
  list,
  optional,
  orEmpty,
  pairs,
  required,
  table,
  text,
  whole,
  withDefault,
} from "./spec.ts";

const EDITS = table({
  set: orEmpty(pairs("field_name", "field_value"), "Replaced, or added when absent."),
  add: orEmpty(pairs("field_name", "field_value"), "Added beside what is there."),
  remove: orEmpty(list(text("field_name")), "Removed."),
});

/** Those of `[upstreams.NAME.timeouts]`, each overriding it. */
const ROUTE_TIMEOUTS = table({
  connect: optional(duration("1ms", "1h"), "TCP and TLS."),
  response: optional(duration("0s", DURATION_MAX), "Request sent to response head; `0s`: none."),
  idle: optional(duration("0s", DURATION_MAX), "Silence inside a body; `0s`: none."),
  total: optional(duration("0s", DURATION_MAX), "Whole exchange with retries; `0s`: none."),
  tunnel: optional(duration("0s", DURATION_MAX), "Silence in an upgraded connection; `0s`: none."),
});

const SPLIT_PART = table({
  upstream: required(text("filled"), "Name of an upstream."),
  weight: withDefault("backend.weight", whole(0, 65535), "Its share."),
});

const REDIRECT = table({
  to: required(text("location"), "URL or path; `*` is what the path's `*` matched, `:id` its parameter."),
  status: withDefault("redirect.status", whole(300, 399), "301, 302, 303, 307 or 308."),
});

const RESPOND = table({
  status: withDefault("respond.status", whole(200, 599), "Of the answer."),
  body: withDefault("respond.body", text("any"), "Text."),
  headers: orEmpty(pairs("field_name", "field_value"), "Fields of the answer."),
});

/** Exactly one of them says what becomes of a request. */
export const ACTION_KEYS = ["upstream", "split", "redirect", "respond", "handler"] as const;

const ROUTE_KEYS = {
  name: optional(displayName(), "For logs and metrics. Default: methods, host and path."),
  host: orEmpty(
    list(text("host_pattern"), { takesOne: true }),
    'Exact, `"*.example.com"`, or a list; absent: any.',
  ),
  path: optional(text("path_pattern"), '`"/a"`, `"/a/*"` (`/a` and below) or `"/users/:id"`. Default: `"/*"`.'),
  methods: orEmpty(
    list(text("method"), { takesOne: true }),
    "Absent: any but TRACE, which shows its sender what is added for backends.",
  ),
  headers: orEmpty(pairs("field_name", "field_value"), 'Exact value, or `"*"`: present.'),
  query: orEmpty(pairs("parameter_name", "parameter_value"), 'Exact value, or `"*"`: present.'),
  upstream: optional(text("filled"), "Name of the upstream that answers."),
  split: optional(list(SPLIT_PART, { lengthMin: 1, isSet: false }), "Upstreams that share the requests."),
  mirror: optional(text("filled"), "Name of an upstream that gets a copy."),
  redirect: optional(REDIRECT, "Send the client elsewhere."),
  respond: optional(RESPOND, "Answer from here."),
  handler: optional(text("file"), "A TypeScript module that answers."),
  rewrite: optional(text("path_template"), "New path; `*` is what the path's `*` matched. Default: as it came."),
  timeouts: optional(ROUTE_TIMEOUTS, "Overrides the upstream's."),
  request_headers: optional(EDITS, "Changes on the way to the backend."),
  response_headers: optional(EDITS, "Changes on the way to the client."),
} as const satisfies KeySpecs;

export const ROUTE = table(ROUTE_KEYS);
