/**
 * Whether a `ca` file can do what it is there for: what the TLS library would refuse later, for each connection, in words
 * that name no file. Reads as much of X.509 (RFC 5280) as that takes; what it can't read it says nothing about but that.
 */

const SEQUENCE = 0x30;
const BOOLEAN = 0x01;
const OBJECT_IDENTIFIER = 0x06;
const OCTET_STRING = 0x04;
/** [0] version, [3] extensions of TBSCertificate. */
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
/** 2.5.29.19 and 2.5.29.17. */
const BASIC_CONSTRAINTS = "551d13";
const SUBJECT_ALT_NAME = "551d11";

interface CertificateFacts {
  /** Its basic constraints say so. */
  readonly isAuthority: boolean;
  readonly isSelfIssued: boolean;
  readonly namesHosts: boolean;
}

/** @returns What is wrong with the certificates of a `ca` file, as a predicate of the file; "": nothing that can be seen. */
export function caFault(pem: string): string {
  const blocks = [...pem.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g)];
  const facts: CertificateFacts[] = [];
  for (const [, base64] of blocks) {
    const read = factsOf(base64);
    if (read === null) return "holds a certificate that cannot be read: backends will be refused";
    facts.push(read);
  }
  if (facts.length === 0) return "";
  if (!facts.some(({ isAuthority, isSelfIssued }) => isAuthority || isSelfIssued)) {
    return "holds no certificate of an authority: put in the one that issued the backend's, not the backend's own";
  }
  // What `openssl req -x509 -addext subjectAltName=…` makes: good for issuing, and refused as a server's own.
  if (facts.length === 1 && facts[0].isAuthority && facts[0].isSelfIssued && facts[0].namesHosts) {
    return "holds an authority (CA:TRUE) that names hosts: a backend that shows this very certificate is refused. Make it with " +
      '"-addext basicConstraints=critical,CA:FALSE", or issue another one from it for the backend';
  }
  return "";
}

/** @returns Null for what is no certificate. */
function factsOf(base64: string): CertificateFacts | null {
  try {
    const certificate = memberAt(Uint8Array.fromBase64(base64.replace(/\s/g, "")), 0);
    const [tbs] = membersOf(certificate, SEQUENCE);
    const fields = membersOf(tbs, SEQUENCE);
    const [, , issuer, , subject] = fields[0].tag === VERSION ? fields.slice(1) : fields;
    const extensions = fields.find(({ tag }) => tag === EXTENSIONS);
    const found = extensions === undefined ? new Map<string, Member>() : extensionsOf(extensions);
    const constraints = found.get(BASIC_CONSTRAINTS);
    return {
      isAuthority: constraints !== undefined && saysAuthority(constraints),
      isSelfIssued: hex(issuer.content) === hex(subject.content),
      namesHosts: found.has(SUBJECT_ALT_NAME),
    };
  } catch {
    return null; // cut off, or something else altogether
  }
}

/** The values of extensions by their identifiers. */
function extensionsOf(extensions: Member): Map<string, Member> {
  const found = new Map<string, Member>();
  for (const extension of membersOf(memberAt(extensions.content, 0), SEQUENCE)) {
    const parts = membersOf(extension, SEQUENCE);
    const value = parts.find(({ tag }) => tag === OCTET_STRING);
    if (parts[0].tag === OBJECT_IDENTIFIER && value !== undefined) found.set(hex(parts[0].content), value);
  }
  return found;
}

function saysAuthority(value: Member): boolean {
  const [first] = membersOf(memberAt(value.content, 0), SEQUENCE);
  return first !== undefined && first.tag === BOOLEAN && first.content[0] !== 0;
}

/** One element of DER (X.690 §8.1). */
interface Member {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Behind it. */
  readonly end: number;
}

/** @throws {RangeError} when it is not whole. */
function memberAt(bytes: Uint8Array, at: number): Member {
  let length = bytes[at + 1];
  let start = at + 2;
  if (length >= 0x80) {
    const digits = length & 0x7f;
    length = 0;
    for (let digit = 0; digit < digits; digit++) length = length * 256 + bytes[start++];
  }
  const end = start + length;
  if (!(end <= bytes.length)) throw new RangeError("Cannot read an element: it is cut off");
  return { tag: bytes[at], content: bytes.subarray(start, end), end };
}

function membersOf({ tag, content }: Member, wanted: number): Member[] {
  if (tag !== wanted) throw new RangeError(`Cannot read an element: want tag ${wanted}, got ${tag}`);
  const members: Member[] = [];
  for (let at = 0; at < content.length; at = members[members.length - 1].end) members.push(memberAt(content, at));
  return members;
}

function hex(bytes: Uint8Array): string {
  return bytes.toHex();
}
