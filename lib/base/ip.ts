/**
 * IP addresses as numbers, read without allocating: `CidrSet.has()` runs for each connection.
 *
 * An IPv4 address that comes mapped into IPv6 (`::ffff:1.2.3.4`, what a dual-stack socket reports) is its IPv4 address
 * everywhere here, so that one peer has one name.
 */

/** What `readIp()` found. */
export type IpKind = 0 | 4 | 6;

/**
 * Reads an address into `words`: IPv4 as one word in `words[3]`, IPv6 as four. Brackets and a zone (`%eth0`) are
 * not part of an address and make it none.
 *
 * @param words Four words, overwritten, also when the text is no address.
 * @returns 4 or 6, or 0 when the text is no address.
 */
export function readIp(text: string, words: Uint32Array): IpKind {
  words[0] =
    words[1] =
    words[2] =
    words[3] =
      0;
  if (text.length < 2 || text.length > 45) return 0;
  if (text.indexOf(":") === -1) {
    const ipv4 = readIpv4(text, 0);
    if (ipv4 < 0) return 0;
    words[3] = ipv4;
    return 4;
  }
  if (!readIpv6(text, words)) return 0;
  const isMapped = words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
  if (!isMapped) return 6;
  words[2] = 0;
  return 4;
}

/**
 * The one spelling of an address: IPv4 dotted, IPv6 as RFC 5952 wants it, mapped IPv4 as IPv4, without brackets or zone.
 *
 * @returns "" when the text is no address.
 */
export function normalizeIp(text: string): string {
  let bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  const zone = bare.indexOf("%");
  if (zone !== -1) bare = bare.slice(0, zone);
  const words = new Uint32Array(4);
  const kind = readIp(bare, words);
  return kind === 0 ? "" : formatIp(kind, words);
}

/** What a client is told apart by: an IPv4 address, or the /64 of an IPv6 one, all of which one machine may use. */
export function clientKey(ip: string): string {
  if (ip.indexOf(":") === -1) return ip;
  const words = new Uint32Array(4);
  const kind = readIp(ip, words);
  if (kind === 6) words[2] = words[3] = 0;
  return kind === 0 ? ip : formatIp(kind, words);
}

/** @param kind 4 or 6, as `readIp()` returned it with these words. */
export function formatIp(kind: IpKind, words: Uint32Array): string {
  if (kind === 4) return `${words[3] >>> 24}.${words[3] >>> 16 & 255}.${words[3] >>> 8 & 255}.${words[3] & 255}`;
  const groups: number[] = [];
  for (let index = 0; index < 8; index++) {
    groups.push(index & 1 ? words[index >> 1] & 0xffff : words[index >> 1] >>> 16);
  }
  const gap = longestZeroRun(groups);
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (gap.length < 2) return hex(groups);
  return `${hex(groups.slice(0, gap.start))}::${hex(groups.slice(gap.start + gap.length))}`;
}

/** @returns The address as an unsigned number, or -1. Reads from `start` to the end of the text. */
function readIpv4(text: string, start: number): number {
  let address = 0;
  let octet = -1;
  let octets = 0;
  for (let at = start; at <= text.length; at++) {
    const code = at === text.length ? 46 : text.charCodeAt(at);
    if (code === 46) {
      if (octet < 0) return -1;
      address = address * 256 + octet;
      octets++;
      octet = -1;
    } else if (code >= 48 && code <= 57) {
      if (octet === 0) return -1; // a leading zero: octal to some readers
      octet = (octet < 0 ? 0 : octet * 10) + code - 48;
      if (octet > 255) return -1;
    } else return -1;
  }
  return octets === 4 ? address : -1;
}

function readIpv6(text: string, words: Uint32Array): boolean {
  let at = 0;
  let groups = 0;
  let gap = -1; // the group that "::" stands before
  if (text.charCodeAt(0) === 58) {
    if (text.charCodeAt(1) !== 58) return false;
    gap = 0;
    at = 2;
  }
  while (at < text.length) {
    if (groups === 8) return false;
    const end = groupEnd(text, at);
    if (end < text.length && text.charCodeAt(end) === 46) {
      const ipv4 = readIpv4(text, at);
      if (ipv4 < 0 || groups > 6) return false;
      setGroup(words, groups++, ipv4 / 65536);
      setGroup(words, groups++, ipv4 & 0xffff);
      at = text.length;
      break;
    }
    if (end === at || end - at > 4) return false;
    setGroup(words, groups++, readHex(text, at, end));
    at = end;
    if (at === text.length) break;
    if (text.charCodeAt(at) !== 58 || ++at === text.length) return false;
    if (text.charCodeAt(at) !== 58) continue;
    if (gap !== -1) return false;
    gap = groups;
    at++;
  }
  if (gap === -1) return groups === 8;
  if (groups === 8) return false;
  spread(words, gap, groups);
  return true;
}

/** Moves the groups after the gap to the end and clears what they leave. */
function spread(words: Uint32Array, gap: number, groups: number): void {
  for (let index = groups - 1, to = 7; index >= gap; index--, to--) {
    const group = index & 1 ? words[index >> 1] & 0xffff : words[index >> 1] >>> 16;
    setGroup(words, index, 0);
    setGroup(words, to, group);
  }
}

function setGroup(words: Uint32Array, index: number, group: number): void {
  const word = words[index >> 1];
  words[index >> 1] = index & 1 ? (word & 0xffff0000) | group : (word & 0xffff) | (group << 16);
}

function groupEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length && hexDigit(text.charCodeAt(at)) >= 0) at++;
  return at;
}

function readHex(text: string, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 16 + hexDigit(text.charCodeAt(at));
  return value;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (start + length < groups.length && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
