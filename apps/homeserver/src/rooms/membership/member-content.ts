import { recordOf, type HomeRecord, type JsonObject, type StateReader } from '#federation';

/** Memberships that a user of this server can bring about. */
export type MembershipTarget = 'join' | 'invite' | 'leave' | 'ban' | 'knock';

/**
 * Content of a member event. In portable rooms the event carries a home record (protocol §3 rules 2 and 3): the sender's own
 * highest one when about himself; else a copy of the one in the room.
 *
 * @param record the sender's record; null outside of portable rooms
 */
export function memberContent(
  state: StateReader, sender: string, target: string, membership: MembershipTarget, record: HomeRecord | null, extra: JsonObject,
): JsonObject {
  const content: JsonObject = { ...extra, membership };
  delete content['home_record'];
  if (!record) return content;
  const carried = sender === target ? record : recordOf(state.get('m.room.member', target));
  if (carried) content['home_record'] = carried as unknown as JsonObject;
  return content;
}
