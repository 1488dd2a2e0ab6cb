import { Injectable } from '@nestjs/common';
import { powerLevelsOf, roomEventFromJson, roomVersion, stateKeyOf, type RoomEvent } from '#federation';
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
      const member = events.get(members.get(roomNid)?.get(stateKeyOf('m.room.member', userId)) ?? 0);
      const displayName = member?.content['displayname'];
      const levels = lazy(() => levelsOf(roomId, events.get(state?.get(CREATE) ?? 0), events.get(state?.get(POWER_LEVELS) ?? 0)));
      const context: ContextOfSender = (sender) => ({
        displayName: typeof displayName === 'string' ? displayName : undefined,
        memberCount: counts.get(roomNid) ?? 0,
        // Asked by the rule for @room only, so it is not computed beforehand.
        get senderPower() {
          return levels()?.user(sender) ?? 0;
        },
        notificationPower: (key) => notificationPower(key, events.get(state?.get(POWER_LEVELS) ?? 0), levels()?.notifications.room),
      });
      return [roomNid, context];
    }));
  }
}

function levelsOf(roomId: string, create: SyncEvent | undefined, levels: SyncEvent | undefined) {
  const version = create?.content['room_version'] ?? '1';
  const rules = typeof version === 'string' ? roomVersion(version) : undefined;
  if (!create || !rules) return undefined;
  const eventOf = (event: SyncEvent | undefined): RoomEvent | undefined => event && roomEventFromJson(event.json, event.eventId, roomId);
  const [createEvent, levelsEvent] = [eventOf(create), eventOf(levels)];
  // By name in portable rooms too: whether somebody may notify the whole room is not worth reading every sender's member event.
  return powerLevelsOf({
    get: (type) => (type === 'm.room.create' ? createEvent : type === 'm.room.power_levels' ? levelsEvent : undefined),
  }, { ...rules, portable: false });
}

/** Level that is needed to notify in a way; only `room` has a meaning in the specification. */
function notificationPower(key: string, levels: SyncEvent | undefined, room: number | undefined): number {
  if (key === 'room') return room ?? 50;
  const own = levels?.content['notifications'];
  const level = typeof own === 'object' && own !== null && !Array.isArray(own) && Object.hasOwn(own, key) ? own[key] : undefined;
  return typeof level === 'number' ? level : 50;
}

function lazy<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
