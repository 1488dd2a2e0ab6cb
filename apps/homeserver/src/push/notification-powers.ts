import { powerLevelsOf, type RoomEvent, type RoomVersionRules } from '#federation';
import type { PushContext } from './push-event.js';

/** What push rules ask about power in a room. */
export interface NotificationPowers {
  readonly senderPower: (userId: string) => number;
  readonly notificationPower: PushContext['notificationPower'];
}

/**
 * By the room's create event and power levels. Asked by the rule for @room only, so nothing is computed beforehand.
 *
 * @param rules of the room's version; undefined when it is unknown
 */
export function notificationPowers(rules: RoomVersionRules | undefined, create: RoomEvent | undefined, levels: RoomEvent | undefined): NotificationPowers {
  let computed: ReturnType<typeof powerLevelsOf> | undefined;
  // By name in portable rooms too: whether somebody may notify the whole room is not worth reading every sender's member event.
  const known = () => (rules && create ? (computed ??= powerLevelsOf({
    get: (type) => (type === 'm.room.create' ? create : type === 'm.room.power_levels' ? levels : undefined),
  }, { ...rules, portable: false })) : undefined);
  return {
    senderPower: (userId) => known()?.user(userId) ?? 0,
    notificationPower: (key) => neededLevel(key, levels, known),
  };
}

/** Level that is needed to notify in a way; only `room` has a meaning in the specification. */
function neededLevel(key: string, levels: RoomEvent | undefined, known: () => ReturnType<typeof powerLevelsOf> | undefined): number {
  if (key === 'room') return known()?.notifications.room ?? 50;
  const own = levels?.pdu.content['notifications'];
  const level = typeof own === 'object' && own !== null && !Array.isArray(own) && Object.hasOwn(own, key) ? own[key] : undefined;
  return typeof level === 'number' ? level : 50;
}
