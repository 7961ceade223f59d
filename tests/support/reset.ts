/**
 * Breaks a TCP connection with RST, which Deno cannot: its `close()` always sends FIN first, even with SO_LINGER 0.
 *
 * `connect()` to AF_UNSPEC makes Linux drop the connection and send RST at once (tcp(7), connect(2)). The descriptor
 * is found by way of /proc: Deno does not tell it. Linux only; tests that need RST do not run elsewhere.
 */

const LIBC = { connect: { parameters: ["i32", "buffer", "u32"], result: "i32" } } as const;
const SOCKADDR_BYTES = 16;

/** The caller still closes `connection`. @throws {Error} When it is not a TCP connection, or is closed already. */
export function resetConnection(connection: Deno.Conn): void {
  const descriptor = findDescriptor(connection);
  const libc = Deno.dlopen("libc.so.6", LIBC);
  try {
    // All zero: family AF_UNSPEC.
    const result = libc.symbols.connect(descriptor, new Uint8Array(SOCKADDR_BYTES), SOCKADDR_BYTES);
    if (result !== 0) throw new Error(`Cannot reset descriptor ${descriptor}: connect() returned ${result}`);
  } finally {
    libc.close();
  }
}

function findDescriptor(connection: Deno.Conn): number {
  const { localAddr, remoteAddr } = connection;
  if (localAddr.transport !== "tcp" || remoteAddr.transport !== "tcp") {
    throw new Error(`Cannot reset a ${localAddr.transport} connection`);
  }
  const link = `socket:[${findInode(localAddr, remoteAddr)}]`;
  for (const entry of Deno.readDirSync("/proc/self/fd")) {
    if (readLink(`/proc/self/fd/${entry.name}`) === link) return Number(entry.name);
  }
  throw new Error(`No descriptor for ${link}`);
}

function findInode(local: Deno.NetAddr, remote: Deno.NetAddr): string {
  const localEnd = portSuffix(local.port);
  const remoteEnd = portSuffix(remote.port);
  for (const table of ["/proc/self/net/tcp", "/proc/self/net/tcp6"]) {
    for (const line of Deno.readTextFileSync(table).split("\n")) {
      const columns = line.trim().split(/\s+/);
      if (columns[1]?.endsWith(localEnd) && columns[2]?.endsWith(remoteEnd)) return columns[9];
    }
  }
  throw new Error(`No TCP socket from port ${local.port} to port ${remote.port}`);
}

function portSuffix(port: number): string {
  return `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
}

function readLink(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return ""; // the descriptor of the listing itself is gone by now
  }
}
