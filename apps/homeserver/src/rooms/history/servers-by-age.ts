import type { Room } from '../room.js';
import { serversOfMember } from '../state/room-state.js';

/** Members that are looked at: enough to find the old servers of any room. */
const MAX_MEMBERS = 20_000;

/**
 * The other servers in a room, those first whose members have been there longest: they hold most of its history.
 *
 * Age is the depth of the oldest joined member's event, which anybody may make up: good enough to choose whom to ask.
 */
export function serversByAge(room: Room): string[] {
  const depths = new Map<string, number>();
  let seen = 0;
  for (const userId of room.state.joined) {
    if (++seen > MAX_MEMBERS) break;
    const member = room.state.get('m.room.member', userId);
    if (!member) continue;
    for (const server of serversOfMember(member, room.rules)) {
      depths.set(server, Math.min(depths.get(server) ?? Infinity, member.pdu.depth));
    }
  }
  const age = (server: string): number => depths.get(server) ?? Infinity;
  return [...room.state.otherServers].sort((a, b) => (age(a) < age(b) ? -1 : age(a) > age(b) ? 1 : 0));
}
