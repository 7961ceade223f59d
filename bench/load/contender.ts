/**
 * What every proxy in the comparison looks like to the bench: one adapter file each, in `contenders/`. An adapter only
 * says what to run on which configuration; starting, watching and ending it is the same for all (proxy_process.ts).
 */

export interface Contender {
  /** In tables and for `--only`. */
  readonly name: string;
  /** Whether it offers HTTP/2 to its clients. */
  readonly http2: boolean;
  /** Whether it can take up a changed configuration while it runs. */
  readonly reloads: boolean;
  availability(): Promise<Availability>;
  launch(setup: Setup): Launch;
}

/** What it calls itself with its version, or why it cannot take part. */
export type Availability = { readonly version: string } | { readonly missing: string };

/** "http" is HTTP/1.1; "https" to clients is HTTP/1.1 or, where it is offered, HTTP/2; to backends HTTP/1.1. */
export type Scheme = "http" | "https";

export interface Setup {
  /** "127.0.0.1:PORT", where it shall listen. */
  readonly address: string;
  readonly downstream: Scheme;
  readonly upstream: Scheme;
  /** "127.0.0.1:PORT", speaking `upstream`. Its certificate, to be verified, is for `localhost`. */
  readonly backend: string;
  readonly certificates: CertificateFiles;
  /** Its own; removed afterwards. */
  readonly folder: string;
  /** How many connections to the backend it should be able to keep open. */
  readonly connections: number;
  /** Above 0: said in the field `X-Generation` of each response, so that a reload can be seen. */
  readonly generation: number;
}

/** Paths of PEM files. */
export interface CertificateFiles {
  readonly authority: string;
  readonly cert: string;
  readonly key: string;
  /** Certificate and key in one. */
  readonly pair: string;
}

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Launch extends Command {
  /** Written into the folder before the start and before each reload: name → text. */
  readonly files?: Readonly<Record<string, string>>;
  /** How it takes up changed files; absent: only by a new start. */
  readonly reload?: "by itself" | Deno.Signal | Command;
}
