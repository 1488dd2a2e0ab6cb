import { type LoweredText, lowered, type MatchBudget } from './glob.js';
import { propertyAt } from './property-path.js';
import type { PushContext, PushEvent } from './push-event.js';

/** What rules may cost that look at one event for one account: some milliseconds, whatever people write into rules and messages. */
const STEPS = 1_000_000;

/** One look at an event, on behalf of one account: what several rules ask of it is made once. */
export class PushLook {
  readonly budget: MatchBudget = { steps: STEPS };
  readonly #texts = new Map<string, LoweredText | undefined>();

  constructor(
    readonly event: PushEvent,
    readonly context: PushContext,
  ) {}

  /** What was spent of the budget. */
  get spent(): number {
    return STEPS - this.budget.steps;
  }

  /** A text of the event as patterns see it; undefined where there is none. */
  text(path: readonly string[]): LoweredText | undefined {
    const key = path.join('\0');
    if (this.#texts.has(key)) return this.#texts.get(key);
    const value = propertyAt(this.event, path);
    const text = typeof value === 'string' ? lowered(value) : undefined;
    this.#texts.set(key, text);
    return text;
  }
}
