import { Injectable } from '@nestjs/common';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Protocol §4: what waits longer is named. */
const NAMED_AFTER_MS = 60_000;
const MAX_PER_PEER = 50;

/**
 * Operations that a home brought and that knew of something that is not here. They are not kept: whoever brought them brings them
 * again, after what they knew of.
 */
@Injectable()
export class WaitingOperations {
  readonly #since = boundedCache<string, Map<string, { readonly place: readonly [string, number]; readonly ts: number }>>(10_000);

  constructor(private readonly clock: Clock) {}

  /** What of a home's last message could not be taken yet, or of what it answered last when it was asked. */
  note(userId: string, home: string, places: readonly (readonly [log: string, n: number])[], from: 'message' | 'answer'): void {
    const key = keyOf(userId, home, from);
    const before = this.#since.get(key);
    if (places.length === 0) {
      this.#since.delete(key);
      return;
    }
    const now = this.clock.steady();
    this.#since.set(key, new Map(places.slice(0, MAX_PER_PEER).map((place) => [place.join(' '), before?.get(place.join(' ')) ?? { place, ts: now }])));
  }

  named(userId: string, home: string): (readonly [log: string, n: number])[] {
    const due = this.clock.steady() - NAMED_AFTER_MS;
    const noted = (['message', 'answer'] as const).flatMap((from) => [...(this.#since.get(keyOf(userId, home, from)) ?? [])]);
    return [...new Map(noted).values()].filter(({ ts }) => ts <= due).map(({ place }) => place);
  }
}

const keyOf = (userId: string, home: string, from: string): string => `${userId} ${home} ${from}`;
