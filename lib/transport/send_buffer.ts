/**
 * How long a client that takes what it is sent may seem to take nothing.
 *
 * What a write hands over goes into the kernel's send buffer. When that is full, the kernel says that there is room again
 * only once about a third of it is free, and the runtime has no other way to learn of less. So a client is heard of
 * only at every so many bytes: every 1.4 MB over loopback, where the buffer has grown to its usual limit (4 MiB,
 * `net.ipv4.tcp_wmem`), half of what is on its way then. Counted from the write, a bound on silence would cut off everybody who
 * takes less than that within it: below 48 KB/s with 30 s. Each `PIECE_BYTES` of it has that time, then.
 */

/** A client that takes so much within the bound on silence is not silent: with 30 s, 4 KiB/s. */
const PIECE_BYTES = 128 * 1024;
/** What may have to be taken before the kernel tells; measured: 1,428,480 bytes. */
const UNTOLD_BYTES_MAX = 1.5 * 1024 * 1024;

/** The bytes sent that may have filled any buffer: for who does not know how many there were. */
export const ENOUGH_SENT_BYTES = 2 * UNTOLD_BYTES_MAX;

/**
 * @param silenceMs How long the other side may take nothing; 0: for ever.
 * @param sentBytes What was written to the connection before.
 * @returns ms until a write that has not been taken means so; 0: never.
 */
export function takenWithinMs(silenceMs: number, sentBytes: number): number {
  return silenceMs * (1 + Math.min(sentBytes / 2, UNTOLD_BYTES_MAX) / PIECE_BYTES);
}
