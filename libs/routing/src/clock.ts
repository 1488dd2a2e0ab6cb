/** Time, handed in, so that tests need not wait. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs `run` once after `ms` milliseconds. The returned function cancels it. */
  timer(ms: number, run: () => void): () => void;
}
