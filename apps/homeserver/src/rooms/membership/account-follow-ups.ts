import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Deactivation } from '../../accounts/deactivation.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Log } from '../../observability/log.js';
import { isUnavailable } from '../../storage/database-errors.js';
import { MemberChanges } from './member-changes.js';
import { Memberships } from './memberships.js';

const LEFT = ['join', 'invite', 'knock'];

/** A deactivated account leaves its rooms. */
@Injectable()
export class AccountFollowUps implements OnModuleInit {
  constructor(
    private readonly deactivation: Deactivation,
    private readonly memberships: Memberships,
    private readonly changes: MemberChanges,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.deactivation.onDeactivated((userId) => this.#leave(userId));
  }

  /**
   * One room's refusal (no right to send, a room held elsewhere) does not keep the others from being left.
   *
   * @throws what the database did not let through: the caller tries it again
   */
  async #leave(userId: string): Promise<void> {
    let unavailable: unknown;
    for (const { roomId, membership } of (await this.memberships.roomsOf(userId)).values()) {
      if (!LEFT.includes(membership)) continue;
      try {
        await this.changes.leave({ roomId, sender: userId });
      } catch (error) {
        if (isUnavailable(error)) unavailable = error;
        if (!(error instanceof MatrixError)) this.log.error('a room was not told of an account change', error, { roomId });
      }
    }
    if (unavailable) throw unavailable;
  }
}
