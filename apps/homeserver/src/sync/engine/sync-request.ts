import type { Requester } from '../../accounts/requester.js';
import type { StreamName } from '../../bus/bus.js';
import type { CompiledFilter } from '../filter/compiled-filter.js';
import type { RoomSelection } from '../filter/room-selection.js';
import type { SyncCursor, SyncPositions } from '../sync-token.js';

/** Of which rooms something is to be answered, and what. */
export interface RoomsRequest {
  readonly userId: string;
  readonly deviceId: string | null;
  /** Null for an initial sync. */
  readonly since: SyncCursor | null;
  readonly fullState: boolean;
  readonly useStateAfter: boolean;
  readonly filter: RoomSelection;
  /** Rooms, by number, of which the client wants more than it wanted before. */
  readonly widened?: ReadonlyMap<number, Widened> | undefined;
  /** As whom `LazyMembers` knows the client, and up to where it has received what it was sent; by default the device and its token. */
  readonly lazy?: { readonly client: string; readonly since: number } | undefined;
}

/** What of a room is told again, because the client wants more of it than before. */
export interface Widened {
  readonly timeline: boolean;
  readonly state: boolean;
}

/** What is to be answered, with all parameters resolved. */
export interface SyncRequest extends RoomsRequest {
  /** The session that asks: an object of its own for all its requests. */
  readonly requester?: Requester;
  readonly filter: CompiledFilter;
  /** What the client calls `state_after`. */
  readonly stateAfterName?: string | undefined;
  /** Whether frontiers and the account's version vector are wanted (protocol §5). */
  readonly frontier: boolean;
}

/** The moment for which an answer is made. */
export interface AnswerMoment {
  /** Where the streams ended: the answer holds everything up to here. */
  readonly next: SyncPositions;
  /** Streams that may hold something new for the account; the others are not looked at. */
  readonly ahead: ReadonlySet<StreamName>;
}

export interface SyncAnswer {
  /** The answer's JSON text. */
  readonly text: string;
  readonly next: SyncPositions;
  /** True when nothing but the token is in it. */
  readonly isEmpty: boolean;
}
