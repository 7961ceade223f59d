/** Bounds that nobody needs to configure, each with its reason. */

/** Bytes of a response head. Four times what nginx allows by default; real heads with many cookies reach 20 KiB. */
export const RESPONSE_HEAD_BYTES_MAX = 64 * 1024;
/** Fields of a response head: more is a loop in somebody's code. */
export const RESPONSE_FIELDS_MAX = 256;
/** Bytes of a chunk's size line with its extensions; per chunk, so it bounds the overhead, too. */
export const CHUNK_HEAD_BYTES_MAX = 256;
/** Bytes and fields of trailers, which carry checksums and timings. */
export const TRAILER_BYTES_MAX = 16 * 1024;
export const TRAILER_FIELDS_MAX = 64;
/**
 * How long the beginning of a body that may be large is waited for before a connection to a backend is taken, ms: long
 * enough for an honest small one, short enough for who waits for the other side's first word.
 */
export const BODY_COLLECT_MS = 250;
/** A WebSocket message that has to be held whole, because `Deno.serve` speaks in messages; bytes. */
export const WEBSOCKET_MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** What may wait for a slow side of a WebSocket; bytes. Holds one largest message. */
export const WEBSOCKET_BUFFER_BYTES_MAX = 16 * 1024 * 1024;
/** What may wait for slow sides of all WebSockets of a thread, bytes: 16 of the largest messages. */
export const WEBSOCKET_HELD_BYTES_MAX = 256 * 1024 * 1024;
/** What Deno may collect of unfinished messages: 16 of the largest, and what else may come and go in the same time. */
export const WEBSOCKET_ASSEMBLED_BYTES_MAX = 256 * 1024 * 1024;
/** What a WebSocket message that waits costs beside its bytes: promises and buffers, 400 measured here, 1100 in Deno. */
export const WEBSOCKET_MESSAGE_COST_BYTES = 1024;
/** Access log lines that may wait for a slow disk or pipe before new ones are dropped and counted; bytes. */
export const ACCESS_LOG_BUFFER_BYTES_MAX = 8 * 1024 * 1024;
/** Finished spans that may wait for the collector before new ones are dropped and counted; about 3 KiB each. */
export const TRACE_SPANS_WAITING_MAX = 2048;
/** Spans sent at once: encoding them is one piece of work during which nothing else happens (about 1 ms). */
export const TRACE_BATCH_MAX = 128;
/** How long a span waits for others to go with, ms. */
export const TRACE_FLUSH_MS = 1000;
/** For the collector to take a batch, repeats on a failed connection included, ms. */
export const TRACE_EXPORT_MS_MAX = 5000;
/** After a batch that was not taken, doubled with each in a row, ms. */
export const TRACE_BACKOFF_MS = 1000;
export const TRACE_BACKOFF_MS_MAX = 30_000;
/** For what waits when tracing is switched off or the process ends, ms. */
export const TRACE_CLOSE_MS_MAX = 1000;
/** Characters of one attribute: a path or a user agent may be as long as the head limit. */
export const TRACE_ATTRIBUTE_LENGTH_MAX = 2048;
