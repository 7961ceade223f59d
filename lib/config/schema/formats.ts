/**
 * What texts may hold. Each format says what is wrong with a text, or "" when nothing is; where another module reads
 * the text later, that module's own parser is asked, so that the two cannot disagree.
 */

import { parseBackendUrl, parseCidr, parseListenAddress } from "../../base/address.ts";
import { validAuthority } from "../../fields/authority.ts";
import { parseHostPattern } from "../../routing/host_pattern.ts";
import { parsePathPattern } from "../../routing/path_pattern.ts";
import { parseStatusRanges } from "../validate/status_ranges.ts";

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** RFC 9110 §5.5, in the characters that one byte holds. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Methods that people write in lower case and mean in upper. Others are as they are: methods are case-sensitive. */
const COMMON_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/** Characters of a name that goes into logs, metrics and admin paths. */
const NAME_LENGTH_MAX = 128;

export interface Format {
  /** What is wanted, as a noun phrase. */
  readonly wanted: string;
  /** Regular expression for editors; "" when it would say little. */
  readonly pattern: string;
  /** @returns What is wrong, "" when nothing is. */
  readonly check: (text: string) => string;
}

function matching(wanted: string, pattern: RegExp): Format {
  const check = (text: string) => pattern.test(text) ? "" : mustBe(wanted, text);
  return { wanted, pattern: pattern.source, check };
}

/** A format that a parser decides. It throws `SyntaxError` with the message to show. */
function parsedBy(wanted: string, parse: (text: string) => unknown, pattern = ""): Format {
  return { wanted, pattern, check: (text) => faultOf(() => parse(text)) };
}

export const FORMATS = {
  any: { wanted: "a text", pattern: "", check: () => "" },
  filled: matching("a text that is not empty", /^[^]+$/),
  display_name: {
    wanted: "a name",
    pattern: `^[^\\x00-\\x20"\\\\\\x7f][^\\x00-\\x1f"\\\\\\x7f]*$`,
    check: checkDisplayName,
  },
  bare_name: matching(`a name of letters, digits, "-", "_" and "."`, /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/),
  // deno-lint-ignore no-control-regex
  file: matching("a path", /^[^\x00]+$/),
  // deno-lint-ignore no-control-regex
  file_or_none: matching("a path", /^[^\x00]*$/),
  file_mode: matching(`rights in octal, such as "0660"`, /^0?[0-7]{3}$/),
  group: matching("the name or number of a group", /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/),
  listen_address: parsedBy("an address", parseListenAddress, "^(unix:.+|.+:\\d{1,5})$"),
  backend_url: parsedBy("an origin", parseBackendUrl, "^([Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+|unix:.+)$"),
  cidr: parsedBy("a network", parseCidr),
  host_pattern: {
    wanted: "a host",
    pattern: `^[^\\s/:]+$|^\\[`,
    check: (text) => checkPattern(parseHostPattern, text),
  },
  path_pattern: { wanted: "a path", pattern: "^/[^\\s?#]*$", check: (text) => checkPattern(parsePathPattern, text) },
  path_template: matching(`a path that begins with "/"`, /^\/[!-~]*$/),
  location: matching(`a URL or a path that begins with "/"`, /^(?:https?:\/\/|\/)[!-~]*$/),
  probe_path: matching(`a path that begins with "/", without spaces`, /^\/[!-"$-~]*$/),
  host_setting: {
    wanted: `"preserve", "backend" or a host name`,
    pattern: "",
    check: (text) => validAuthority(text) ? "" : mustBe(`"preserve", "backend" or a host name`, text),
  },
  host_or_none: {
    wanted: "a host name",
    pattern: "",
    check: (text) => text === "" || validAuthority(text) ? "" : mustBe("a host name", text),
  },
  method: { wanted: "a method", pattern: TOKEN.source, check: checkMethod },
  field_name: matching("a header name", TOKEN),
  field_value: { wanted: "a header value", pattern: FIELD_VALUE.source, check: checkFieldValue },
  parameter_name: matching("a parameter name, as it stands in the URL", /^[!"$%'-;>-~]+$/),
  parameter_value: matching("a parameter value, as it stands in the URL", /^[!"$%'-~]*$/),
  cookie_name: matching("a cookie name", /^[!#$%&'*+.^_`|~0-9A-Za-z-]*$/),
  hash_key: { wanted: "a hash key", pattern: "^(client_ip|path|(header|cookie|query):.+)$", check: checkHashKey },
  statuses: parsedBy("status codes", parseStatusRanges, "^\\d{3}(-\\d{3})?( *, *\\d{3}(-\\d{3})?)*$"),
  retry_condition: {
    wanted: `"connect", "reset", "timeout" or a status from 400 to 599`,
    pattern: "^(connect|reset|timeout|[45]\\d\\d)$",
    check: (text) =>
      /^(?:connect|reset|timeout|[45]\d\d)$/.test(text)
        ? ""
        : mustBe(`"connect", "reset", "timeout" or a status from 400 to 599`, text),
  },
  http_url: { wanted: "an http or https URL", pattern: "^https?://[!-~]+$", check: checkHttpUrl },
} as const satisfies Record<string, Format>;

export type FormatName = keyof typeof FORMATS;

/** Runs a parser for its complaint. */
export function faultOf(parse: () => unknown): string {
  try {
    parse();
    return "";
  } catch (error) {
    if (error instanceof SyntaxError) return error.message;
    throw error;
  }
}

/** Turns `Cannot use path "/a b": must be …` into `must be …, got "/a b"`: the key has said the rest. */
export function withoutPosition(message: string): string {
  const match = /^Cannot use \w+ ("(?:[^"\\]|\\.)*"): (.*)$/s.exec(message);
  return match === null ? message : `${match[2]}, got ${match[1]}`;
}

function mustBe(wanted: string, text: string): string {
  return `must be ${wanted}, got ${JSON.stringify(text)}`;
}

function checkPattern(parse: (text: string) => unknown, text: string): string {
  return withoutPosition(faultOf(() => parse(text)));
}

function checkDisplayName(text: string): string {
  if (text.length > NAME_LENGTH_MAX) return `must have at most ${NAME_LENGTH_MAX} characters, got ${text.length}`;
  // deno-lint-ignore no-control-regex
  const isGood = /^[^\x00-\x20"\\\x7f](?:[^\x00-\x1f"\\\x7f]*[^\x00-\x20"\\\x7f])?$/.test(text);
  return isGood ? "" : mustBe("a name without quotes, backslashes, control characters or outer spaces", text);
}

function checkMethod(text: string): string {
  if (!TOKEN.test(text)) return mustBe("a method", text);
  const upper = text.toUpperCase();
  if (upper !== text && COMMON_METHODS.includes(upper)) return `must be in upper case, got "${text}"; use "${upper}"`;
  if (text === "CONNECT") return `must not be "CONNECT": sluice is no forward proxy`;
  return "";
}

function checkFieldValue(text: string): string {
  if (/[\r\n]/.test(text)) return `must not hold line breaks, got ${JSON.stringify(text)}`;
  if (!FIELD_VALUE.test(text)) return mustBe("a header value without control or wide characters", text);
  if (text !== text.trim()) return mustBe("a header value without outer spaces", text);
  return "";
}

function checkHashKey(text: string): string {
  if (text === "client_ip" || text === "path") return "";
  const match = /^(header|cookie|query):(.*)$/s.exec(text);
  const wanted = `"client_ip", "path", "header:NAME", "cookie:NAME" or "query:NAME"`;
  if (match === null) return mustBe(wanted, text);
  if (match[2] === "") return `must name the ${match[1]}, as in "${match[1]}:NAME", got "${text}"`;
  const format = match[1] === "query" ? FORMATS.parameter_name : FORMATS.field_name;
  return format.check(match[2]) === "" ? "" : mustBe(wanted, text);
}

function checkHttpUrl(text: string): string {
  const url = /^https?:\/\/[!-~]+$/.test(text) ? URL.parse(text) : null;
  if (url === null) return mustBe("an http or https URL", text);
  // The message does not repeat the text: it may hold a password.
  if (url.username !== "" || url.password !== "") return "must not hold a user or password";
  if (url.port === "0") return mustBe("a URL with a port that can be reached", text);
  return url.hash === "" ? "" : mustBe("a URL without a fragment", text);
}
