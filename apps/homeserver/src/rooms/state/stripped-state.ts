import { strippedStateJson, type RoomEvent, type StateReader } from '#federation';

/** State that an invited or knocking user is shown (Client-Server, "Stripped state"). */
const STRIPPED_TYPES = [
  'm.room.create', 'm.room.name', 'm.room.avatar', 'm.room.topic', 'm.room.join_rules', 'm.room.canonical_alias',
  'm.room.encryption',
];

/** What of a room's state is shown from outside, as whole events. */
export function shownState(state: StateReader): RoomEvent[] {
  return STRIPPED_TYPES.map((type) => state.get(type, '')).filter((event) => event !== undefined);
}

/** What goes with an invite or knock: JSON text of an array. */
export function strippedState(state: StateReader, member: RoomEvent): string {
  const events = shownState(state);
  const sender = state.get('m.room.member', member.pdu.sender);
  if (sender && sender.eventId !== member.eventId) events.push(sender);
  events.push(member);
  return `[${events.map((event) => strippedStateJson(event)).join(',')}]`;
}
