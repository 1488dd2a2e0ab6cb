import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { visibilityOf } from '../../rooms/history/visibility-of.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import type { Room } from '../../rooms/room.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { type Sight, upTo } from '../relations/sight.js';
import { ReaderHistories } from '../rooms/reader-histories.js';

/** Somebody who looks into a room. */
export interface RoomReader {
  readonly room: Room;
  readonly userId: string;
  readonly isJoined: boolean;
  /** Position at which the reader was last joined: infinite while joined, negative infinite for one who never was. */
  readonly lastJoined: number;
  /** Nothing above it is shown: where the timeline ends, or where the reader left. */
  readonly upTo: number;
}

/** Who may look into a room's timeline, and up to where. */
@Injectable()
export class RoomReaders {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly memberships: Memberships,
    private readonly histories: ReaderHistories,
    private readonly positions: StreamPositions,
  ) {}

  /** @throws 403 `M_FORBIDDEN` for who is not and was not in the room, unless it is world-readable, and after forgetting it */
  async of(userId: string, roomId: string): Promise<RoomReader> {
    const room = await this.registry.find(roomId);
    if (!room) throw MatrixError.forbidden('You are not in this room');
    const now = this.positions.current('events');
    if (room.state.joined.has(userId)) return { room, userId, isJoined: true, lastJoined: Infinity, upTo: now };
    const left = await this.#leftAt(userId, room, now);
    if (visibilityOf(room.state.get('m.room.history_visibility', '')) === 'world_readable') {
      return { room, userId, isJoined: false, lastJoined: left ?? -Infinity, upTo: now };
    }
    if (left === undefined) throw MatrixError.forbidden('You are not in this room');
    return { room, userId, isJoined: false, lastJoined: left, upTo: left };
  }

  /** What of the room the reader may see, by what its timeline says of it here. Two questions at most. */
  async sight({ room, userId, isJoined, upTo: highest }: RoomReader): Promise<Sight> {
    const past = (await this.histories.of(userId, [{ roomNid: room.nid, isJoined }], this.positions.current('events'))).get(room.nid)!;
    return isJoined && past.isOpen ? null : upTo(past.history.seen(), highest);
  }

  /** Position of the event that ended the reader's last time in the room. */
  async #leftAt(userId: string, room: Room, now: number): Promise<number | undefined> {
    const held = (await this.memberships.roomsOf(userId)).get(room.id);
    if (held === undefined) return undefined;
    const past = (await this.histories.of(userId, [{ roomNid: room.nid, isJoined: false }], now)).get(room.nid);
    const steps = past?.memberships ?? [];
    const joined = steps.findLastIndex((step) => step.membership === 'join');
    return joined === -1 ? undefined : steps[joined + 1]?.pos;
  }
}
