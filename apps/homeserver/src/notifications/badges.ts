import { Injectable } from '@nestjs/common';
import { AccountData } from '../account-data/account-data.js';
import { Config } from '../config/config.js';
import type { RoomMembership } from '../rooms/membership/local-memberships.store.js';
import { Memberships } from '../rooms/membership/memberships.js';
import { StreamPositions } from '../storage/stream-positions.js';
import { UnreadCounter } from '../sync/unread/unread-counter.js';
import type { Push } from './pushes.store.js';

/** What an account has not read, at one moment. */
export interface Badge {
  /** Rooms or messages that call for attention, and invitations. */
  readonly unread: number;
  /** Whether a push is still of interest: its event is there and unread, in a room that the person is in or invited to. */
  isWanted(push: Push): boolean;
}

/** The number on an app's icon. */
@Injectable()
export class Badges {
  constructor(
    private readonly config: Config,
    private readonly memberships: Memberships,
    private readonly accountData: AccountData,
    private readonly counter: UnreadCounter,
    private readonly positions: StreamPositions,
  ) {}

  async of(userId: string): Promise<Badge> {
    const [rooms, isIgnored] = await Promise.all([this.memberships.roomsOf(userId), this.accountData.ignoredInviters(userId)]);
    const joined = [...rooms.values()].filter(({ membership }) => membership === 'join');
    const invites = [...rooms.values()].filter(({ membership, sender }) => membership === 'invite' && !isIgnored(sender)).length;
    const counts = await this.counter.counts(userId, joined, this.positions.current('events'), false);
    const numbers = [...counts.values()].map(({ notifications }) => notifications);
    const unread = this.config.pushBadge === 'messages' ? numbers.reduce((sum, one) => sum + one, 0) : numbers.filter((one) => one > 0).length;
    return { unread: invites + unread, isWanted: (push) => this.#isWanted(push, rooms.get(push.roomId)) };
  }

  #isWanted({ userId, threadId, pos, isRedacted }: Push, room: RoomMembership | undefined): boolean {
    if (isRedacted) return false;
    if (room?.membership === 'invite') return true;
    return room?.membership === 'join' && pos !== null && this.counter.isUnread(userId, room.roomNid, threadId, pos);
  }
}
