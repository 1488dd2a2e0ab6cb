import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { StateReader } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Bus, type RoomCommitted } from '../../bus/bus.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Log } from '../../observability/log.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { MemberChanges } from './member-changes.js';

/** Keeps guests to the rooms that take them (client-server API, "Guest Access"). */
@Injectable()
export class GuestAccess implements OnModuleInit {
  constructor(
    private readonly accounts: AccountDirectory,
    private readonly registry: RoomRegistry,
    private readonly changes: MemberChanges,
    private readonly bus: Bus,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.bus.subscribe((message) => {
      if (message.kind === 'room' && closesRoom(message)) void this.#removeGuests(message.roomId);
    });
  }

  /** @throws MatrixError 403 `M_GUEST_ACCESS_FORBIDDEN` for a guest where the room has none. Others are not looked at. */
  async assertMayJoin(room: Room, userId: string): Promise<void> {
    if (takesGuests(room.state) || !(await this.accounts.get(userId))?.isGuest) return;
    throw new MatrixError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'Guests cannot join this room');
  }

  /** As `assertMayJoin`, of a room that came here by the guest's join: the guest leaves. */
  async assertMayStay(roomId: string, userId: string): Promise<void> {
    const room = await this.registry.find(roomId);
    if (!room) return;
    try {
      await this.assertMayJoin(room, userId);
    } catch (error) {
      await this.changes.leave({ roomId, sender: userId });
      throw error;
    }
  }

  /** They leave by themselves: nobody here may have the level to kick them. */
  async #removeGuests(roomId: string): Promise<void> {
    try {
      const room = await this.registry.find(roomId);
      // In the queue: what the bus tells of is not in the room's state yet.
      if (!room || (await room.run((draft) => takesGuests(draft)))) return;
      for (const userId of [...room.state.localJoined]) {
        if ((await this.accounts.get(userId))?.isGuest) await this.changes.leave({ roomId, sender: userId });
      }
    } catch (error) {
      this.log.error('guests could not be removed', error, { roomId });
    }
  }
}

function closesRoom({ events }: RoomCommitted): boolean {
  return events.some(({ event: { pdu } }) => pdu.type === 'm.room.guest_access' && pdu.state_key === '');
}

function takesGuests(state: StateReader): boolean {
  return state.get('m.room.guest_access', '')?.pdu.content['guest_access'] === 'can_join';
}
