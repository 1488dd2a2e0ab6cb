import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Deactivation } from '../../accounts/deactivation.js';
import { Profiles } from '../../accounts/profiles.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Log } from '../../observability/log.js';
import { isUnavailable } from '../../storage/database-errors.js';
import { MemberChanges } from './member-changes.js';
import { Memberships } from './memberships.js';

/** What happens in rooms when an account changes: a new name shows in them, a deactivated account leaves them. */
@Injectable()
export class AccountFollowUps implements OnModuleInit {
  constructor(
    private readonly profiles: Profiles,
    private readonly deactivation: Deactivation,
    private readonly memberships: Memberships,
    private readonly changes: MemberChanges,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.profiles.onChanged(async (userId, key) => {
      if (key === 'displayname' || key === 'avatar_url') await this.#inEachRoom(userId, ['join'], (roomId) => this.changes.refresh(roomId, userId));
    });
    this.deactivation.onDeactivated((userId) =>
      this.#inEachRoom(userId, ['join', 'invite', 'knock'], (roomId) => this.changes.leave({ roomId, sender: userId }), true),
    );
  }

  /**
   * One room's refusal (no right to send, a room held elsewhere) does not keep the others from being told.
   *
   * @param isRepeated whether the caller tries again what the database did not let through; it throws then
   */
  async #inEachRoom(userId: string, memberships: readonly string[], work: (roomId: string) => Promise<void>, isRepeated = false): Promise<void> {
    let unavailable: unknown;
    for (const room of (await this.memberships.roomsOf(userId)).values()) {
      if (!memberships.includes(room.membership)) continue;
      try {
        await work(room.roomId);
      } catch (error) {
        if (isUnavailable(error)) unavailable = error;
        if (!(error instanceof MatrixError)) this.log.error('a room was not told of an account change', error, { roomId: room.roomId });
      }
    }
    if (isRepeated && unavailable) throw unavailable;
  }
}
