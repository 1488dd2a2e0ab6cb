import { Injectable } from '@nestjs/common';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Questions to others, and resolutions of states, that an origin's events may cause at once, and per second. */
const BURST = 200;
const PER_SECOND = 2;
const MAX_ORIGINS = 10_000;

/**
 * Bounds what one server can make this one ask of others, and do: an event names up to twenty predecessors, a transaction has fifty
 * events, and nothing says that anybody has what they name, or that anybody wants them.
 */
@Injectable()
export class AskBudget {
  readonly #left = boundedCache<string, { questions: number; at: number }>(MAX_ORIGINS);

  constructor(private readonly clock: Clock) {}

  /** How many of these questions may be asked now; they count as asked. */
  take(origin: string, questions: number): number {
    const now = this.clock.steady();
    const known = this.#left.get(origin) ?? { questions: BURST, at: now };
    const left = Math.min(BURST, known.questions + (Math.max(0, now - known.at) / 1000) * PER_SECOND);
    const taken = Math.min(questions, Math.floor(left));
    this.#left.set(origin, { questions: left - taken, at: now });
    return taken;
  }
}
