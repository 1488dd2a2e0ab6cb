import type { Clock } from '../src/clock.js';

/** A clock that stands still until it is told to go on. */
export class FakeClock implements Clock {
  private time = 1_700_000_000_000;
  private timers: Array<{ at: number; run: () => void }> = [];

  now(): number {
    return this.time;
  }

  timer(ms: number, run: () => void): () => void {
    const timer = { at: this.time + ms, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Timers that are set; none must be left when everything is closed. */
  get pending(): number {
    return this.timers.length;
  }

  /** Lets time pass, running each timer when it is due and whatever hangs on it. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      const next = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.time = Math.max(this.time, next.at);
      next.run();
      await turn();
    }
    this.time = end;
    await turn();
  }
}

/** Lets everything run that is ready to run. */
async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}
