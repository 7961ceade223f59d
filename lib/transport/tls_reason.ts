/**
 * Why a backend's TLS was refused, in words for people: what the runtime says in its own is put once, here. Deno has no
 * codes for it; the texts are those of rustls (0.23), and one that is not known goes on as it is.
 */

/** The most characters of a sentence about a backend; the names in it are the certificate's. */
const LENGTH_MAX = 400;
const PEER = "invalid peer certificate: ";
const ALERT = "received fatal alert: ";

export interface TlsWish {
  /** Name that the certificate was to have. */
  readonly serverName: string;
  /** Authorities were given by the configuration. */
  readonly hasCa: boolean;
}

/** @returns A clause with the backend as its subject, "its certificate expired on …". */
export function tlsReason(error: unknown, wish: TlsWish): string {
  const message = error instanceof Error ? error.message : String(error);
  return printable(reasonOf(message, wish)).slice(0, LENGTH_MAX);
}

/** Whether a failure is the certificate's. */
export function isCertificateFault(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith(PEER);
}

function reasonOf(message: string, wish: TlsWish): string {
  if (message.startsWith(PEER)) return certificateReason(message.slice(PEER.length), wish);
  if (message.startsWith(ALERT)) return alertReason(message.slice(ALERT.length));
  if (message.includes("InvalidContentType")) return "it does not speak TLS on this port: plain HTTP, probably";
  if (message.includes("peer is incompatible")) return `it has no TLS in common with us (${message})`;
  if (message.includes("no certificates")) return "it showed no certificate";
  if (message === "unexpected end of file") return "it closed the connection during the handshake";
  return message;
}

function certificateReason(text: string, { serverName, hasCa }: TlsWish): string {
  const expired = text.startsWith("certificate expired") ? numberBehind(text, "not valid after ") : "";
  if (expired !== "") return `its certificate expired on ${dateOf(expired)}`;
  const early = text.startsWith("certificate not valid yet") ? numberBehind(text, "not valid before ") : "";
  if (early !== "") return `its certificate is valid only from ${dateOf(early)} on`;
  if (text.startsWith("certificate not valid for name")) {
    const names = namesOf(text);
    return names === ""
      ? `its certificate names no host, and "${serverName}" was expected`
      : `its certificate is for ${names}, not for "${serverName}"`;
  }
  if (text.includes("CaUsedAsEndEntity")) {
    return "its certificate is that of an authority (CA:TRUE), which cannot be a server's own; issue one from it";
  }
  if (text.startsWith("UnknownIssuer")) {
    return `its certificate was not issued by ${
      hasCa ? "an authority of the ca file" : "a public authority, and there is no ca"
    }`;
  }
  if (text.includes("extended key usage")) return "its certificate is not one for servers (extended key usage)";
  if (text === "Expired") return "its certificate has expired";
  if (text === "NotValidYet") return "its certificate is not valid yet";
  return `its certificate is invalid: ${text}`;
}

function alertReason(alert: string): string {
  switch (alert) {
    case "ProtocolVersion":
      return "it speaks only versions of TLS older than 1.2";
    case "HandshakeFailure":
      return "it ended the handshake (HandshakeFailure): no cipher in common, or it wants a client certificate";
    case "CertificateRequired":
      return "it wants a client certificate, and was sent none";
    case "BadCertificate":
    case "UnsupportedCertificate":
    case "CertificateRevoked":
    case "CertificateExpired":
    case "CertificateUnknown":
    case "UnknownCA":
    case "AccessDenied":
      return `it refuses the client certificate (${alert})`;
    case "UnrecognizedName":
    case "UnrecognisedName":
      return "it does not know the name that was asked for (server_name)";
    default:
      return `it ended the handshake (${alert})`;
  }
}

/** `DnsName("a"), DnsName("b") or IpAddress(10.0.0.1)` of rustls. */
function namesOf(text: string): string {
  const names = [...text.matchAll(/(?:DnsName\("([^"]*)"\)|IpAddress\(([^)]*)\))/g)];
  return names.map(([, name, address]) => name ?? address).join(", ");
}

/** @returns "" where there is none. */
function numberBehind(text: string, words: string): string {
  const at = text.indexOf(words);
  return at < 0 ? "" : /^\d{0,12}/.exec(text.slice(at + words.length))![0];
}

function dateOf(seconds: string): string {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? seconds : date.toISOString().replace(".000Z", "Z");
}

/** A certificate's text may hold anything. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
