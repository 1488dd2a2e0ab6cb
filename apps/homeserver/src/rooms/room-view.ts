import { serverNameOf, type RoomEvent, type RoomVersionRules } from '#federation';
import type { RoomState } from './state/room-state.js';
import type { Snapshot } from './state/snapshot.js';

/** A forward extremity: an event that no other known event names in its prev_events. */
export interface Extremity {
  readonly nid: number;
  readonly eventId: string;
  readonly depth: number;
  /** The server that made the event. */
  readonly server: string;
  /** State after the event. */
  readonly after: Snapshot;
}

/** An event as a forward extremity. */
export function endOf(nid: number, event: RoomEvent, after: Snapshot, rules: RoomVersionRules): Extremity {
  return { nid, eventId: event.eventId, depth: event.pdu.depth, server: makerOf(event, rules), after };
}

/** The server that made an event: its acting home in portable rooms, else its sender's. */
export function makerOf({ pdu }: RoomEvent, rules: RoomVersionRules): string {
  return rules.portable && pdu.home !== undefined ? pdu.home : serverNameOf(pdu.sender);
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
