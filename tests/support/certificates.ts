/**
 * Certificates for tests: an authority made afresh in each process, and what it issues (X.509 v3, ECDSA P-256).
 *
 * Made here with Web Crypto rather than by `openssl` or a package, so that a bare machine can run the tests; the
 * profile (RFC 5280) is the one that rustls demands: an end entity is no authority, and names are in its SAN.
 */

import * as der from "./der.ts";
import { type Bytes, concat } from "./wire_bytes.ts";

/** PEM, both. */
export interface Certificate {
  readonly cert: string;
  /** PKCS #8. */
  readonly key: string;
}

export interface IssueOptions {
  /** DNS names and IPv4 addresses. Default: localhost and 127.0.0.1. */
  readonly names?: readonly string[];
  readonly purpose?: "server" | "client";
  /** Default: from an hour ago. */
  readonly notBefore?: Date;
  /** Default: for a day. */
  readonly notAfter?: Date;
}

const HOUR_MS = 3_600_000;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const ECDSA_WITH_SHA256 = der.sequence(der.objectIdentifier("1.2.840.10045.4.3.2"));
const PURPOSES = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const;
const SERIAL_BYTES = 16;

export class CertificateAuthority {
  /** The certificate of the authority itself, which a client is told to believe. PEM. */
  readonly cert: string;
  readonly #name: string;
  readonly #keys: CryptoKeyPair;
  readonly #keyIdentifier: Bytes;

  private constructor(name: string, issuing: { keys: CryptoKeyPair; keyIdentifier: Bytes }, cert: string) {
    this.cert = cert;
    this.#name = name;
    this.#keys = issuing.keys;
    this.#keyIdentifier = issuing.keyIdentifier;
  }

  static async create(name = "sluice test authority"): Promise<CertificateAuthority> {
    const keys = await generateKeys();
    const keyIdentifier = await identifierOf(keys.publicKey);
    const extensions = [
      extension("2.5.29.14", false, der.octetString(keyIdentifier)), // subjectKeyIdentifier
      extension("2.5.29.19", true, der.sequence(der.boolean(true))), // basicConstraints: an authority
      extension("2.5.29.15", true, der.bitString(Uint8Array.of(0x06), 1)), // keyUsage: keyCertSign, cRLSign
    ];
    const body = await certificateBody({ issuer: name, subject: name, keys, extensions, ...validity({}) });
    return new CertificateAuthority(name, { keys, keyIdentifier }, await signed(body, keys.privateKey));
  }

  async issue(options: IssueOptions = {}): Promise<Certificate> {
    const { names = ["localhost", "127.0.0.1"], purpose = "server" } = options;
    const keys = await generateKeys();
    const extensions = [
      extension("2.5.29.14", false, der.octetString(await identifierOf(keys.publicKey))),
      extension("2.5.29.35", false, der.sequence(der.tagged(0x80, this.#keyIdentifier))), // authorityKeyIdentifier
      extension("2.5.29.19", true, der.sequence()), // basicConstraints: no authority
      extension("2.5.29.15", true, der.bitString(Uint8Array.of(0x80), 7)), // keyUsage: digitalSignature
      extension("2.5.29.37", false, der.sequence(der.objectIdentifier(PURPOSES[purpose]))),
      extension("2.5.29.17", false, der.sequence(...names.map(subjectName))),
    ];
    const subject = names[0] ?? "nobody";
    const body = await certificateBody({ issuer: this.#name, subject, keys, extensions, ...validity(options) });
    const key = pem("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey)));
    return { cert: await signed(body, this.#keys.privateKey), key };
  }
}

/** A certificate that its own key signed; what `openssl req -x509` makes when it is an authority. */
export async function selfSigned(
  { isAuthority, names = ["localhost", "127.0.0.1"] }: { isAuthority: boolean; names?: readonly string[] },
): Promise<Certificate> {
  const keys = await generateKeys();
  const extensions = [
    extension("2.5.29.14", false, der.octetString(await identifierOf(keys.publicKey))),
    extension("2.5.29.19", true, isAuthority ? der.sequence(der.boolean(true)) : der.sequence()),
  ];
  if (names.length > 0) extensions.push(extension("2.5.29.17", false, der.sequence(...names.map(subjectName))));
  const subject = names[0] ?? "self";
  const body = await certificateBody({ issuer: subject, subject, keys, extensions, ...validity({}) });
  const key = pem("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey)));
  return { cert: await signed(body, keys.privateKey), key };
}

export interface TestCertificates {
  readonly authority: CertificateAuthority;
  /** For localhost and 127.0.0.1. */
  readonly localhost: Certificate;
  /** A client certificate, for client.test. */
  readonly client: Certificate;
}

let made: Promise<TestCertificates> | null = null;

/** The usual ones, made once a process. */
export function testCertificates(): Promise<TestCertificates> {
  made ??= makeTestCertificates();
  return made;
}

async function makeTestCertificates(): Promise<TestCertificates> {
  const authority = await CertificateAuthority.create();
  const [localhost, client] = await Promise.all([
    authority.issue(),
    authority.issue({ names: ["client.test"], purpose: "client" }),
  ]);
  return { authority, localhost, client };
}

interface CertificateBody {
  readonly issuer: string;
  readonly subject: string;
  readonly keys: CryptoKeyPair;
  readonly extensions: readonly Bytes[];
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** TBSCertificate, RFC 5280 §4.1. */
async function certificateBody(parts: CertificateBody): Promise<Bytes> {
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", parts.keys.publicKey));
  return der.sequence(
    der.tagged(0xa0, der.integer(Uint8Array.of(2))), // v3
    der.integer(crypto.getRandomValues(new Uint8Array(SERIAL_BYTES))),
    ECDSA_WITH_SHA256,
    distinguishedName(parts.issuer),
    der.sequence(der.time(parts.notBefore), der.time(parts.notAfter)),
    distinguishedName(parts.subject),
    publicKey,
    der.tagged(0xa3, der.sequence(...parts.extensions)),
  );
}

async function signed(body: Bytes, key: CryptoKey): Promise<string> {
  const signature = new Uint8Array(await crypto.subtle.sign(ALGORITHM, key, body));
  const half = signature.length / 2; // Web Crypto gives r and s side by side; X.509 wants them as two integers
  const pair = der.sequence(der.integer(signature.subarray(0, half)), der.integer(signature.subarray(half)));
  return pem("CERTIFICATE", der.sequence(body, ECDSA_WITH_SHA256, der.bitString(pair)));
}

function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

/** RFC 5280 §4.2.1.2: any value that is the key's own will do. */
async function identifierOf(key: CryptoKey): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-1", await crypto.subtle.exportKey("spki", key)));
}

function validity(options: IssueOptions): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return {
    notBefore: options.notBefore ?? new Date(now - HOUR_MS),
    notAfter: options.notAfter ?? new Date(now + 24 * HOUR_MS),
  };
}

function distinguishedName(commonName: string): Bytes {
  return der.sequence(der.set(der.sequence(der.objectIdentifier("2.5.4.3"), der.utf8String(commonName))));
}

function extension(identifier: string, isCritical: boolean, value: Bytes): Bytes {
  const critical = isCritical ? der.boolean(true) : new Uint8Array(0);
  return der.sequence(der.objectIdentifier(identifier), critical, der.octetString(value));
}

/** GeneralName: iPAddress or dNSName. */
function subjectName(name: string): Bytes {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) return der.tagged(0x87, Uint8Array.from(name.split("."), Number));
  return der.tagged(0x82, new TextEncoder().encode(name));
}

function pem(label: string, bytes: Uint8Array): string {
  const lines = concat([bytes]).toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
