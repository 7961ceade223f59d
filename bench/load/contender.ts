/** What every proxy in the comparison looks like to the bench: one adapter file each, in `contenders/`. */

export interface Contender {
  /** In tables and for `--only`. */
  readonly name: string;
  /** @returns What it calls itself with its version, or null when it is not installed. */
  version(): Promise<string | null>;
  /** Starts a fresh process that forwards everything to `backend`; resolves when it accepts connections. */
  start(setup: Setup): Promise<RunningContender>;
}

export interface Setup {
  /** "127.0.0.1:PORT": plain HTTP/1.1. */
  readonly backend: string;
  /** Empty, for its own; removed afterwards. */
  readonly folder: string;
  /** Connections of the load: what it should be able to keep open to the backend. */
  readonly connections: number;
}

export interface RunningContender {
  /** "127.0.0.1:PORT". */
  readonly address: string;
  /** User and system time of everything that proxies, in µs since its start. */
  cpuMicros(): number;
  /** Resolves when all its processes have ended. */
  stop(): Promise<void>;
}
