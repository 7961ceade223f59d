/** Sets of networks in CIDR notation, for "is this peer a trusted proxy". */

import { formatIp, type IpKind, readIp } from "./ip.ts";

/** Holds what `has()` is reading: it is synchronous, so one is enough. */
const scratch = new Uint32Array(4);

/**
 * IPv4 and IPv6 networks. A mapped address (`::ffff:10.0.0.1`) is looked up as IPv4, and `::/0` does not hold IPv4.
 * `has()` allocates nothing; it compares one network after another, which for the handful that people write is the
 * fastest way.
 */
export class CidrSet {
  readonly size: number;
  readonly #ipv4: Uint32Array; // network, mask; …
  readonly #ipv6: Uint32Array; // four words of network, four of mask; …

  /** @throws {SyntaxError} When one is no network; the message names it. */
  constructor(cidrs: readonly string[]) {
    const ipv4: number[] = [];
    const ipv6: number[] = [];
    for (const cidr of cidrs) {
      const { kind, network, mask } = parseCidr(cidr);
      if (kind === 4) ipv4.push(network[3], mask[3]);
      else ipv6.push(...network, ...mask);
    }
    this.size = cidrs.length;
    this.#ipv4 = Uint32Array.from(ipv4);
    this.#ipv6 = Uint32Array.from(ipv6);
  }

  /** @param ip As a socket reports it; a text that is no address is in no network. */
  has(ip: string): boolean {
    if (this.size === 0) return false;
    const kind = readIp(ip, scratch);
    if (kind === 4) {
      const nets = this.#ipv4;
      for (let at = 0; at < nets.length; at += 2) if (((scratch[3] ^ nets[at]) & nets[at + 1]) === 0) return true;
    } else if (kind === 6) {
      for (let at = 0; at < this.#ipv6.length; at += 8) if (this.#holds(at)) return true;
    }
    return false;
  }

  #holds(at: number): boolean {
    const nets = this.#ipv6;
    for (let word = 0; word < 4; word++) {
      if (((scratch[word] ^ nets[at + word]) & nets[at + 4 + word]) !== 0) return false;
    }
    return true;
  }
}

export interface Cidr {
  readonly kind: IpKind;
  /** As `readIp()` fills them. */
  readonly network: Uint32Array;
  readonly mask: Uint32Array;
}

/**
 * `"10.0.0.0/8"`, `"fd00::/8"`, or one address.
 *
 * @throws {SyntaxError} Also when bits beyond the prefix are set: then it is unclear what was meant.
 */
export function parseCidr(text: string): Cidr {
  const slash = text.indexOf("/");
  const address = slash === -1 ? text : text.slice(0, slash);
  const network = new Uint32Array(4);
  const kind = readIp(address, network);
  if (kind === 0) {
    throw new SyntaxError(`must be a network such as "10.0.0.0/8" or "fd00::/8", got ${JSON.stringify(text)}`);
  }
  const isMapped = kind === 4 && address.includes(":");
  const most = kind === 4 && !isMapped ? 32 : 128;
  const least = isMapped ? 96 : 0;
  const bits = slash === -1 ? most : prefixOf(text.slice(slash + 1));
  if (bits < least || bits > most) {
    throw new SyntaxError(`must have a prefix from ${least} to ${most}, got ${JSON.stringify(text)}`);
  }
  const mask = maskOf(kind === 4 ? 96 + bits - (isMapped ? 96 : 0) : bits);
  const clean = network.map((word, index) => word & mask[index]);
  if (clean.some((word, index) => word !== network[index])) {
    const meant = `${formatIp(kind, clean)}/${bits - (isMapped ? 96 : 0)}`;
    throw new SyntaxError(`must have no bits set beyond its prefix, got "${text}"; did you mean "${meant}"?`);
  }
  return { kind, network, mask };
}

function prefixOf(digits: string): number {
  return /^(0|[1-9]\d{0,2})$/.test(digits) ? Number(digits) : -1;
}

function maskOf(bits: number): Uint32Array {
  const mask = new Uint32Array(4);
  for (let word = 0; word < 4; word++) {
    const held = Math.min(32, Math.max(0, bits - word * 32));
    mask[word] = held === 0 ? 0 : -1 << (32 - held);
  }
  return mask;
}
