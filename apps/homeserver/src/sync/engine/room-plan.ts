import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import type { RoomHistory } from '../rooms/history-visibility.js';

/** How a joined or left room is to be answered. */
export interface RoomPlan {
  readonly room: RoomMembership;
  readonly section: 'join' | 'leave';
  /** The timeline holds events with `after < pos <= to`. */
  readonly after: number;
  readonly to: number;
  /** State is as of this position: `to`, or where the reader left. */
  readonly stateTo: number;
  /** `full`: the whole state; `changes`: what changed after `after`; `none`: the reader was never in the room. */
  readonly state: 'full' | 'changes' | 'none';
  /** Of a room of which the client wants more than before: it knows the room's changes up to here. */
  readonly changesAfter?: number | undefined;
  /** The client knows nothing of the room: receipts, typing, account data and summary are complete. */
  readonly isNew: boolean;
  /** The room came to the reader after `since`: its timeline starts anew. */
  readonly newlyJoined: boolean;
  /** With the full state: the client knows the room's state up to here, from an earlier stay. */
  readonly knows?: number | null | undefined;
  /** Events that the client has. */
  readonly exclude?: ReadonlySet<string> | undefined;
  /** The reader's past in the room; undefined when it was joined all the time. */
  readonly history?: RoomHistory;
  /** True when the past decides what of the timeline the reader may see. */
  readonly hides: boolean;
  /** The whole timeline, where this server never was in the room: the event by which the reader turned down an invite. */
  readonly onlyEvent?: number;
}

/** All rooms of an answer. */
export interface AnswerPlan {
  /** Position up to which events are answered. */
  readonly to: number;
  readonly rooms: readonly RoomPlan[];
  readonly invites: readonly RoomMembership[];
  readonly knocks: readonly RoomMembership[];
  /** All joined rooms that pass the filter, changed or not. */
  readonly joined: readonly RoomMembership[];
}
