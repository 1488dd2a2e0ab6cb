import { Clock } from '../../apps/homeserver/src/observability/clock.js';

/** Lets time pass at once: everything has waited as long as the test says, and it is that much later. */
export class TravellingClock extends Clock {
  aheadMs = 0;

  override now(): number {
    return super.now() + this.aheadMs;
  }

  override steady(): number {
    return super.steady() + this.aheadMs;
  }
}

/** Time passes when the test says so, so that a busy machine makes no difference to what is allowed in a while, or good for one. */
export class HeldClock extends Clock {
  #time = super.steady();

  override steady(): number {
    return this.#time;
  }

  pass(ms: number): void {
    this.#time += ms;
  }
}

/** A wall clock that is wrong by as much as the test says, while time passes as it does. */
export class WrongClock extends Clock {
  aheadMs = 0;

  override now(): number {
    return super.now() + this.aheadMs;
  }
}
