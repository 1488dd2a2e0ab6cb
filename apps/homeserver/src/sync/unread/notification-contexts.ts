import { Injectable } from '@nestjs/common';
import { roomEventFromJson, roomVersion, stateKeyOf, type RoomEvent } from '#federation';
import { type NotificationPowers, notificationPowers } from '../../push/notification-powers.js';
import type { PushContext } from '../../push/push-event.js';
import { RoomSummaries } from '../rooms/room-summaries.js';
import { RoomWindows } from '../rooms/room-windows.js';
import type { SyncEvent } from '../rooms/sync-event.js';
import { SyncEvents } from '../rooms/sync-events.js';

const CREATE = stateKeyOf('m.room.create', '');
const POWER_LEVELS = stateKeyOf('m.room.power_levels', '');

/** What push rules ask about a room, for events of any sender. */
export type ContextOfSender = (sender: string) => PushContext;

/** Reads what push rules look at besides the event, for many rooms at once. */
@Injectable()
export class NotificationContexts {
  constructor(
    private readonly windows: RoomWindows,
    private readonly summaries: RoomSummaries,
    private readonly events: SyncEvents,
  ) {}

  /** By numeric room id. */
  async of(
    userId: string, rooms: readonly { roomId: string; roomNid: number }[], to: number,
  ): Promise<Map<number, ContextOfSender>> {
    if (rooms.length === 0) return new Map();
    const at = rooms.map(({ roomNid }) => ({ roomNid, pos: to }));
    const [states, members, counts] = await Promise.all([
      this.windows.state(at),
      this.windows.someMembers(at.map((one) => ({ ...one, userId }))),
      this.summaries.joinedCounts(rooms),
    ]);
    const nids = rooms.flatMap(({ roomNid }) => [
      ...(members.get(roomNid)?.values() ?? []),
      ...[CREATE, POWER_LEVELS].flatMap((key) => states.get(roomNid)?.get(key) ?? []),
    ]);
    const events = await this.events.load(nids);
    return new Map(rooms.map(({ roomId, roomNid }) => {
      const state = states.get(roomNid);
      const eventOf = (key: string): SyncEvent | undefined => events.get(state?.get(key) ?? 0);
      const member = events.get(members.get(roomNid)?.get(stateKeyOf('m.room.member', userId)) ?? 0);
      const displayName = member?.content['displayname'];
      const powers = lazy(() => powersOf(roomId, eventOf(CREATE), eventOf(POWER_LEVELS)));
      const context: ContextOfSender = (sender) => ({
        displayName: typeof displayName === 'string' ? displayName : undefined,
        memberCount: counts.get(roomNid) ?? 0,
        get senderPower() {
          return powers().senderPower(sender);
        },
        notificationPower: (key) => powers().notificationPower(key),
      });
      return [roomNid, context];
    }));
  }
}

function powersOf(roomId: string, create: SyncEvent | undefined, levels: SyncEvent | undefined): NotificationPowers {
  const version = create?.content['room_version'] ?? '1';
  const eventOf = (event: SyncEvent | undefined): RoomEvent | undefined => event && roomEventFromJson(event.json, event.eventId, roomId);
  return notificationPowers(typeof version === 'string' ? roomVersion(version) : undefined, eventOf(create), eventOf(levels));
}

function lazy<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
