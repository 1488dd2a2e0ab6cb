/** The wall clock, handed in wherever time matters so that tests can hold it. */
export class Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number {
    return Date.now();
  }
}
