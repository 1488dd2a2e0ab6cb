/** The clocks, handed in wherever time matters so that tests can hold them. */
export class Clock {
  readonly #steadyFrom = Date.now() - performance.now();

  /** The wall clock, for dates: milliseconds since the Unix epoch. Somebody may set it, by days and at any moment. */
  now(): number {
    return Date.now();
  }

  /**
   * How time passes, for how long something waits or is good: milliseconds on from what the wall clock said when the process
   * started, whatever becomes of that clock. A wait that is stored for the next process is begun anew or bounded there: that wall
   * clock may have been days ahead.
   */
  steady(): number {
    return Math.floor(this.#steadyFrom + performance.now());
  }
}
