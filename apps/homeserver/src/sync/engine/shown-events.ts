import type { ShownEvents } from '../relations/aggregations.js';
import { type Sight, upTo } from '../relations/sight.js';
import type { RoomWithTimeline } from './room-states.js';

/** The timeline of a room, and how much of the room the reader may see beside it. */
export function shownEvents({ plan: { room, section, history, hides, stateTo }, timeline }: RoomWithTimeline): ShownEvents {
  const sight = (): Sight => (history && hides ? upTo(history.seen(), section === 'leave' ? stateTo : Infinity) : null);
  return { roomId: room.roomId, roomNid: room.roomNid, events: timeline.entries.map(({ event }) => event), sight };
}
