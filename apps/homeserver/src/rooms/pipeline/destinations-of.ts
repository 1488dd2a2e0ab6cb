import { stateKeyOf, type RoomEvent, type RoomVersionRules } from '#federation';
import { membershipOf, serversOfMember, type RoomState, type StateChange } from '../state/room-state.js';

const MEMBER = 'm.room.member';

/**
 * Servers that an event of this server goes to: those of the members joined after the changes; and for a member event the subject's
 * servers before and after it. An invitation reaches its subject by itself (`/invite`).
 *
 * @param changes of the state, by state key
 */
export function destinationsOf(event: RoomEvent, state: RoomState, changes: ReadonlyMap<string, StateChange>, rules: RoomVersionRules): readonly string[] {
  const joined = otherServers(state, changes, rules);
  if (event.pdu.type !== MEMBER || membershipOf(event) === 'invite') return joined;
  const userId = event.pdu.state_key ?? '';
  const change = changes.get(stateKeyOf(MEMBER, userId));
  const before = change ? change.entry?.event : state.get(MEMBER, userId);
  const subjects = [...(before ? serversOfMember(before, rules) : []), ...serversOfMember(event, rules)];
  return [...new Set([...joined, ...subjects])].filter((server) => server !== state.serverName);
}

/** Servers of the members that are joined by now, without this one: who has left by the changes gets nothing of what comes after. */
function otherServers(state: RoomState, changes: ReadonlyMap<string, StateChange>, rules: RoomVersionRules): readonly string[] {
  const counts = new Map<string, number>();
  const count = (event: RoomEvent | undefined, by: 1 | -1): void => {
    if (!event || membershipOf(event) !== 'join') return;
    for (const server of serversOfMember(event, rules)) counts.set(server, (counts.get(server) ?? state.membersOn(server)) + by);
  };
  for (const { type, stateKey, entry } of changes.values()) {
    if (type !== MEMBER) continue;
    count(state.get(type, stateKey), -1);
    count(entry?.event, 1);
  }
  if (counts.size === 0) return state.otherServers;
  counts.delete(state.serverName);
  const come = [...counts].filter(([server, members]) => members > 0 && !state.hasServer(server)).map(([server]) => server);
  return [...state.otherServers.filter((server) => (counts.get(server) ?? 1) > 0), ...come];
}
