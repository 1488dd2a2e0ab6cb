import { Injectable } from '@nestjs/common';
import type { HomeRecord } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { HomeRecords } from './home-records.js';
import { RoomRecords } from './room-records.js';

/** An account of which no record could be proven is not looked at again before. */
const NONE_FOR_MS = 2_000;

/**
 * The records that direct anything outside of rooms: keys of devices, messages to them, invitations, answers to others (protocol §2).
 * A room shows whoever came in; here a genesis counts only when it is proven, or followed for want of a domain.
 */
@Injectable()
export class FollowedRecords {
  readonly #none = boundedCache<string, number>(50_000);

  constructor(
    private readonly records: HomeRecords,
    private readonly rooms: RoomRecords,
    private readonly clock: Clock,
  ) {}

  async of(userId: string): Promise<HomeRecord | undefined> {
    if (await this.records.get(userId)) return this.records.followed(userId);
    if ((this.#none.get(userId) ?? 0) > this.clock.steady()) return undefined;
    for (const shown of await this.rooms.of(userId)) {
      try {
        return (await this.records.accept(shown)).record;
      } catch (error) {
        // Not proven, or not now: the name leads to its domain.
        if (!(error instanceof MatrixError)) throw error;
      }
    }
    this.#none.set(userId, this.clock.steady() + NONE_FOR_MS);
    return undefined;
  }
}
