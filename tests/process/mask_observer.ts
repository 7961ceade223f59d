/** A thread that tells when a word of shared memory has changed: what a worker would see, when it would see it. */

export interface Watched {
  readonly buffer: SharedArrayBuffer;
  readonly byteOffset: number;
  /** What the word is now. */
  readonly before: number;
}

/** Between two looks, ms. */
const PAUSE_MS = 0.05;

const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<Watched>) => void) | null;
  postMessage(message: unknown): void;
};

scope.onmessage = ({ data: { buffer, byteOffset, before } }) => {
  const word = new Int32Array(buffer, byteOffset, 1);
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  scope.postMessage("watching");
  while (Atomics.load(word, 0) === before) Atomics.wait(nobody, 0, 0, PAUSE_MS);
  scope.postMessage(performance.timeOrigin + performance.now());
};
