import type { RoomPlan } from '../engine/room-plan.js';
import type { RoomWithTimeline, SelectedState } from '../engine/room-states.js';
import type { ConnectionState, RoomTold } from './connection-state.js';
import type { WantedRoom } from './room-list.js';
import type { SlidingRequest } from './sliding-request.js';

/** What an answer is about. */
export interface RoomsAsked {
  readonly request: SlidingRequest;
  /** What the client has. */
  readonly state: ConnectionState;
  /** Whether it has received an answer on this connection. */
  readonly isFirst: boolean;
  /** As whom `LazyMembers` knows it, the number of the answer that it has, and that of this one. */
  readonly lazy: { readonly client: string; readonly since: number; readonly next: number };
  /** Most recent first. */
  readonly rooms: readonly WantedRoom[];
  readonly to: number;
  readonly ignored: ReadonlySet<string>;
  /** Ids of direct chats. */
  readonly directs: ReadonlySet<string>;
}

/** A room with everything that was chosen of it. */
export interface ChosenRoom extends RoomWithTimeline {
  readonly wanted: WantedRoom;
  readonly told: RoomTold | undefined;
  readonly state: SelectedState;
}

/** The plan's room is told as if nothing of it had been told before. */
export function isInitial({ isNew, state, section }: RoomPlan): boolean {
  return isNew || (section === 'leave' && state === 'full');
}
