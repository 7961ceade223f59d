/**
 * What may stand in `Host`, `:authority` and the absolute form: `host [":" port]` (RFC 9110 §7.2, RFC 3986 §3.2.2).
 *
 * Stricter than RFC 3986 where its generality only serves attacks: no userinfo, no percent-encoding and no sub-delims
 * in a name (backends disagree on what they mean), an empty host only where the caller allows it, no IPvFuture, no
 * zone id. Underscores pass: they are not host name characters, but container networks use them.
 */

/** RFC 1035: 253 visible characters and a final dot; the longest port is ":65535". */
const HOST_LENGTH_MAX = 254;
const PORT_MAX = 65535;

const DIGIT = 1;
const NAME = 2;
const HEX = 4;

/** What each of the first 128 characters may be part of. */
const CLASSES: Uint8Array = buildClasses();

export interface Authority {
  /** As it came, brackets of an IPv6 literal included. */
  readonly host: string;
  /** 0 when there is none. */
  readonly port: number;
}

/** @returns Whether `text` is one host with at most one port, and nothing a backend could read differently. */
export function validAuthority(text: string): boolean {
  const hostEnd = hostLength(text);
  return hostEnd > 0 && portAt(text, hostEnd) >= 0;
}

/**
 * Splits an authority. An empty port (`example.com:`) is allowed by RFC 3986 §3.2.3 and means none.
 *
 * @returns null when it is not valid.
 */
export function splitAuthority(text: string): Authority | null {
  const hostEnd = hostLength(text);
  if (hostEnd <= 0) return null;
  const port = portAt(text, hostEnd);
  return port < 0 ? null : { host: text.slice(0, hostEnd), port };
}

/** @returns Where the host ends, 0 when it is not valid. */
function hostLength(text: string): number {
  if (text.charCodeAt(0) === 0x5b) return ipv6Length(text);
  let at = 0;
  let label = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === 0x3a) break;
    if (code === 0x2e) {
      if (label === 0) return 0; // ".a", "a..b"
      label = 0;
    } else {
      if (code > 0x7f || (CLASSES[code] & NAME) === 0) return 0;
      label++;
    }
    at++;
  }
  return at > HOST_LENGTH_MAX ? 0 : at;
}

/** @returns The port, 0 when there is none, -1 when something else follows the host. */
function portAt(text: string, hostEnd: number): number {
  if (hostEnd === text.length) return 0;
  if (text.charCodeAt(hostEnd) !== 0x3a || text.length - hostEnd > 6) return -1;
  let port = 0;
  for (let at = hostEnd + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 0x7f || (CLASSES[code] & DIGIT) === 0) return -1;
    port = port * 10 + code - 0x30;
  }
  if (port > PORT_MAX || (port === 0 && text.length - hostEnd > 1)) return -1;
  return port;
}

/**
 * Measures `"[" IPv6address "]"` (RFC 3986 §3.2.2).
 *
 * @returns Where it ends, 0 when it is not valid.
 */
function ipv6Length(text: string): number {
  let groups = 0;
  let digits = 0;
  let isCompressed = false;
  let at = 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code < 0x80 && (CLASSES[code] & HEX) !== 0) {
      if (++digits > 4) return 0;
      at++;
      continue;
    }
    if (code === 0x2e) { // the last 32 bits as dotted decimal: go back to where it began
      const end = ipv4Length(text, at - digits);
      if (digits === 0 || end === 0 || text.charCodeAt(end) !== 0x5d) return 0;
      return closesAt(groups + 2, isCompressed) ? end + 1 : 0;
    }
    if (digits > 0) groups++;
    if (code === 0x5d) {
      // A single colon may not come last; "::" may.
      if (digits === 0 && !endsCompressed(text, at)) return 0;
      return closesAt(groups, isCompressed) ? at + 1 : 0;
    }
    if (code !== 0x3a || groups > 7) return 0;
    if (text.charCodeAt(at + 1) === 0x3a) {
      if (isCompressed) return 0;
      isCompressed = true;
      at += 2;
    } else {
      if (digits === 0) return 0; // "[:1]", ":::"
      at++;
    }
    digits = 0;
  }
  return 0;
}

function endsCompressed(text: string, at: number): boolean {
  return at >= 3 && text.charCodeAt(at - 1) === 0x3a && text.charCodeAt(at - 2) === 0x3a;
}

function closesAt(groups: number, isCompressed: boolean): boolean {
  return isCompressed ? groups <= 7 : groups === 8;
}

/** @returns Where four decimal octets that begin at `start` end, 0 when there are none. */
function ipv4Length(text: string, start: number): number {
  let at = start;
  for (let octet = 0; octet < 4; octet++) {
    if (octet > 0 && text.charCodeAt(at++) !== 0x2e) return 0;
    let value = 0;
    let digits = 0;
    for (let code = text.charCodeAt(at); code >= 0x30 && code <= 0x39; code = text.charCodeAt(++at)) {
      value = value * 10 + code - 0x30;
      if (++digits > 3) return 0;
    }
    if (digits === 0 || value > 255 || (digits > 1 && text.charCodeAt(at - digits) === 0x30)) return 0;
  }
  return at;
}

function buildClasses(): Uint8Array {
  const classes = new Uint8Array(128);
  for (let code = 0x30; code <= 0x39; code++) classes[code] = DIGIT | NAME | HEX;
  for (let code = 0x61; code <= 0x7a; code++) classes[code] = classes[code - 0x20] = NAME;
  for (let code = 0x61; code <= 0x66; code++) classes[code] = classes[code - 0x20] = NAME | HEX;
  classes[0x2d] = classes[0x5f] = NAME; // "-" "_"
  return classes;
}
