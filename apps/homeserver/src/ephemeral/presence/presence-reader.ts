import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { type PresenceContent, presenceContent } from './presence-state.js';
import { Presences } from './presences.js';

/** Somebody's presence, for those who may see it. */
@Injectable()
export class PresenceReader {
  constructor(
    private readonly presences: Presences,
    private readonly memberships: Memberships,
    private readonly clock: Clock,
  ) {}

  /** @throws MatrixError 403 `M_FORBIDDEN` where the two share no room, whether there is such a user or not */
  async read(reader: string, userId: string): Promise<PresenceContent> {
    if (reader !== userId && !(await this.memberships.sharesRoom(reader, userId))) throw MatrixError.forbidden('You are not allowed to see their presence');
    return presenceContent(this.presences.of(userId), this.clock.steady());
  }

  /** Of those who may be seen: in a room with the reader. Nobody where the operator shows nobody. */
  of(userIds: readonly string[]): Map<string, PresenceContent> {
    const now = this.clock.steady();
    return new Map(this.presences.isOn ? userIds.map((userId) => [userId, presenceContent(this.presences.of(userId), now)]) : []);
  }
}
