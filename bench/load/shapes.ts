/** The requests that are sent, and what the backend answers to each. */

export interface Shape {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Beside Host and Content-Length. */
  readonly fields: Readonly<Record<string, string>>;
  /** Length of the request's body. */
  readonly bodyBytes: number;
  /** Length of the response's body. */
  readonly responseBytes: number;
}

/** The small body: 66 bytes, about what a small JSON answer has. */
export const BODY = "sluice load bench: sixty-six bytes of body, the same for everybody";

/** What `/page` is answered with beside what a backend says anyhow (Date, Content-Type, Content-Length, Server). */
export const PAGE_FIELDS: Readonly<Record<string, string>> = {
  "Cache-Control": "private, max-age=0, must-revalidate",
  "ETag": 'W/"5f2a-18c2b7d9e40"',
  "Vary": "Accept-Encoding, Cookie",
  "Set-Cookie": "session=9f86d081884c7d659a2feaa0c55ad015; Path=/; HttpOnly; Secure; SameSite=Lax",
  "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
  "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; script-src 'self'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "strict-origin-when-cross-origin",
};

/** As a browser of 2025 sends them with a click on a link: with Host 16 fields, about 1 KiB. */
const BROWSER_FIELDS: Readonly<Record<string, string>> = {
  "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "Accept-Language": "en-GB,en;q=0.9,de;q=0.8,fr;q=0.7",
  "Accept-Encoding": "gzip, deflate, br, zstd",
  "Cache-Control": "max-age=0",
  "Referer": "http://shop.example.com/catalogue/category/shoes?page=2&sort=price",
  "Upgrade-Insecure-Requests": "1",
  "Sec-CH-UA": '"Chromium";v="142", "Not_A Brand";v="99"',
  "Sec-CH-UA-Mobile": "?0",
  "Sec-CH-UA-Platform": '"Linux"',
  "Sec-Fetch-Dest": "document",
  "Sec-Fetch-Mode": "navigate",
  "Sec-Fetch-Site": "same-origin",
  "Sec-Fetch-User": "?1",
  "Cookie":
    "session=9f86d081884c7d659a2feaa0c55ad015; consent=v2.1.1.0.1; theme=dark; cart=3a7bd3e2360a3d29eea436fc; " +
    "_ga=GA1.1.1234567890.1760000000; _ga_AB12CD34EF=GS2.1.s1760000000$o3$g1$t1760000100$j60$l0$h0",
};

const KIB = 1024;
const MIB = 1024 * KIB;

/** Files of the backend: path → size. */
export const FILES: Readonly<Record<string, number>> = { "/16k": 16 * KIB, "/1m": MIB, "/100m": 100 * MIB };

const small: Shape = { method: "GET", path: "/", fields: {}, bodyBytes: 0, responseBytes: BODY.length };
const file = (path: string): Shape => ({ ...small, path, responseBytes: FILES[path] });
/** The backend reads the body whole before it answers on `/sink`. */
const post = (bodyBytes: number): Shape => ({ ...small, method: "POST", path: "/sink", bodyBytes });

export const SHAPES = {
  small,
  page: { ...small, path: "/page", fields: BROWSER_FIELDS },
  get16k: file("/16k"),
  get1m: file("/1m"),
  get100m: file("/100m"),
  post1k: post(KIB),
  post1m: post(MIB),
} as const satisfies Record<string, Shape>;

/** What every body but the small one consists of, over and over: printable, and no period that a buffer has. */
const PIECE: Uint8Array<ArrayBuffer> = Uint8Array.from(
  { length: 64 * KIB },
  (_, at) => 32 + (at * 31 + (at >> 8)) % 95,
);

/** A body of so many bytes, in pieces. */
export function* content(bytes: number): IterableIterator<Uint8Array<ArrayBuffer>> {
  for (let left = bytes; left > 0; left -= PIECE.length) yield PIECE.subarray(0, Math.min(left, PIECE.length));
}
