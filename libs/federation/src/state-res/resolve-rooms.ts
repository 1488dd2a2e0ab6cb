import type { RoomFixture } from '../event-auth/room-fixture.js';
import { resolveState } from './resolve-state.js';

/** Resolves the states of several lines of one test room; what comes out maps `stateKeyOf` to event ids. */
export function resolveRooms(rooms: readonly RoomFixture[]): Map<string, string> {
  const { rules, create, events, ctx } = rooms[0]!;
  return resolveState({
    rules, roomId: create.roomId, stateSets: rooms.map((room) => room.stateIds()), event: (id) => events.get(id),
    isRejected: () => false, ctx,
  });
}

/** The line on which several lines meet again. */
export function mergeRooms(rooms: readonly RoomFixture[]): RoomFixture {
  const merged = rooms[0]!.fork();
  merged.state.clear();
  for (const [key, id] of resolveRooms(rooms)) merged.state.set(key, merged.events.get(id)!);
  return merged;
}
