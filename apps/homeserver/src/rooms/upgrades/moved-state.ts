import { isJsonObject, type JsonObject, type JsonValue, type RoomEvent, type RoomVersionRules } from '#federation';
import type { InitialEvent } from '../creation/initial-events.js';

/** State that a room takes along when it is replaced (Client-Server, "Room upgrades"); with power levels, join rules, aliases and bans, which change on the way. */
export const MOVED_TYPES = [
  'm.room.name', 'm.room.topic', 'm.room.avatar', 'm.room.encryption', 'm.room.history_visibility', 'm.room.guest_access', 'm.room.server_acl',
  'm.room.retention', 'm.room.policy',
] as const;
/** Of the create event: what servers say there themselves. */
const SERVERS_OWN = ['room_version', 'creator', 'predecessor', 'additional_creators', 'home_record', 'io.partyline.genesis'];

/** What the create event of the new room says: what the old one's says, and which room it replaces. */
export function successorContent(create: RoomEvent | undefined, roomId: string, lastEventId: string | undefined): JsonObject {
  const content: JsonObject = { ...create?.pdu.content };
  for (const name of SERVERS_OWN) delete content[name];
  return { ...content, predecessor: { room_id: roomId, ...(lastEventId === undefined ? {} : { event_id: lastEventId }) } };
}

/** The join rules in a room of another version: rules that it does not have become stricter ones. Who is in the old room may come into a restricted one. */
export function movedJoinRules(content: JsonObject, roomId: string, rules: RoomVersionRules): JsonObject {
  const { join_rule: rule, allow } = content;
  const fitting = fittingRule(rule, rules);
  if (fitting !== 'restricted' && fitting !== 'knock_restricted') return { ...content, join_rule: fitting };
  const former = { type: 'm.room_membership', room_id: roomId };
  return { ...content, join_rule: fitting, allow: [...(Array.isArray(allow) ? allow : []), former] };
}

function fittingRule(rule: JsonValue | undefined, { restrictedJoins, knocking, knockRestricted }: RoomVersionRules): JsonValue {
  if (rule === 'knock_restricted' && !knockRestricted) return restrictedJoins ? 'restricted' : knocking ? 'knock' : 'invite';
  if ((rule === 'restricted' && !restrictedJoins) || (rule === 'knock' && !knocking)) return 'invite';
  return rule ?? 'invite';
}

/** Children of a space that are still in it. */
export function movedChildren(events: readonly RoomEvent[]): InitialEvent[] {
  return events.flatMap(({ pdu }) => {
    const { via } = pdu.content;
    return Array.isArray(via) && via.length > 0 && pdu.state_key !== undefined ? [{ type: pdu.type, stateKey: pdu.state_key, content: pdu.content }] : [];
  });
}

/** The addresses of a room that move with it, and what is left of its address: nothing where all of it moves. */
export function movedAliases(content: JsonObject, isMoved: (alias: string) => boolean): { moved: JsonObject; left: JsonObject } {
  const { alias, alt_aliases: others } = content;
  const part = (moves: boolean): JsonObject => {
    const list = Array.isArray(others) ? others.filter((one) => typeof one === 'string' && isMoved(one) === moves) : [];
    return { ...(typeof alias === 'string' && alias !== '' && isMoved(alias) === moves ? { alias } : {}), ...(list.length > 0 ? { alt_aliases: list } : {}) };
  };
  return { moved: part(true), left: part(false) };
}

/** The room that a tombstone or a create event names. */
export function roomNamedBy(content: JsonObject | undefined, member: 'replacement_room' | 'predecessor'): string | undefined {
  const value = content?.[member];
  const named = member === 'predecessor' && isJsonObject(value) ? value['room_id'] : value;
  return typeof named === 'string' ? named : undefined;
}
