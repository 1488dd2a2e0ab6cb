import { strippedStateJson, type RoomEvent, type StateReader } from '#federation';

/** State that an invited or knocking user is shown (Client-Server, "Stripped state"). */
export const STRIPPED_TYPES = [
  'm.room.create', 'm.room.name', 'm.room.avatar', 'm.room.topic', 'm.room.join_rules', 'm.room.canonical_alias',
  'm.room.encryption',
];

/** What goes with an invite or knock: JSON text of an array. */
export function strippedState(state: StateReader, member: RoomEvent): string {
  const events = STRIPPED_TYPES.map((type) => state.get(type, '')).filter((event) => event !== undefined);
  const sender = state.get('m.room.member', member.pdu.sender);
  if (sender && sender.eventId !== member.eventId) events.push(sender);
  events.push(member);
  return `[${events.map((event) => strippedStateJson(event)).join(',')}]`;
}
