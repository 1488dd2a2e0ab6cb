import { LRUCache } from 'lru-cache';
import { streamNames, type StreamName } from '../../bus/bus.js';
import type { SyncPositions } from '../sync-token.js';

/** Accounts whose positions are kept. */
const MAX_USERS = 200_000;

/**
 * For every account the position of the last thing that concerned it, per stream, so that a sync with nothing new is
 * answered from memory. About accounts that are not held only an upper bound is known (`floor`): the positions at which this
 * process started, or those of the account that was dropped last.
 */
export class UserPositions {
  readonly #floor: number[];
  readonly #users = new LRUCache<string, number[]>({
    maxSize: MAX_USERS,
    sizeCalculation: () => 1,
    dispose: (positions, _user, reason) => {
      if (reason !== 'evict') return;
      for (const [i, pos] of positions.entries()) this.#floor[i] = Math.max(this.#floor[i]!, pos);
    },
  });

  constructor(start: SyncPositions) {
    this.#floor = streamNames.map((name) => start[name]);
  }

  advance(userId: string, stream: StreamName, pos: number): void {
    const index = streamNames.indexOf(stream);
    const positions = this.#users.get(userId);
    if (positions) positions[index] = Math.max(positions[index]!, pos);
    else {
      const fresh = [...this.#floor];
      fresh[index] = Math.max(fresh[index]!, pos);
      this.#users.set(userId, fresh);
    }
  }

  /** Whether any stream may hold something for the account after these positions. */
  isAhead(userId: string, since: SyncPositions): boolean {
    const positions = this.#users.get(userId) ?? this.#floor;
    for (let i = 0; i < streamNames.length; i++) if (positions[i]! > since[streamNames[i]!]) return true;
    return false;
  }

  /** The streams that may hold something for the account after these positions; empty means that none does. */
  ahead(userId: string, since: SyncPositions): StreamName[] {
    const positions = this.#users.get(userId) ?? this.#floor;
    return streamNames.filter((name, i) => positions[i]! > since[name]);
  }
}
