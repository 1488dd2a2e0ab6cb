import type { RoomVersionRules } from '#federation';
import type { RoomState } from './state/room-state.js';
import type { Snapshot } from './state/snapshot.js';

/** A forward extremity: an event that no other known event names in its prev_events. */
export interface Extremity {
  readonly nid: number;
  readonly eventId: string;
  readonly depth: number;
  /** State after the event. */
  readonly after: Snapshot;
}

/** What changes of a room, as the database has it. */
export interface RoomContents {
  readonly state: RoomState;
  readonly snapshot: Snapshot;
  readonly extremities: readonly Extremity[];
}

/** A room as those see it who read it, or lay changes over it, and do not write it. */
export interface RoomView extends RoomContents {
  readonly nid: number;
  readonly id: string;
  readonly rules: RoomVersionRules;
  isLocal(userId: string): boolean;
}
