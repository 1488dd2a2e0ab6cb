import type { Requester } from '../../accounts/requester.js';
import type { StreamName } from '../../bus/bus.js';
import type { CompiledFilter } from '../filter/compiled-filter.js';
import type { SyncCursor, SyncPositions } from '../sync-token.js';

/** What is to be answered, with all parameters resolved. */
export interface SyncRequest {
  readonly userId: string;
  readonly deviceId: string | null;
  /** The session that asks: an object of its own for all its requests. */
  readonly requester?: Requester;
  /** Null for an initial sync. */
  readonly since: SyncCursor | null;
  readonly fullState: boolean;
  readonly useStateAfter: boolean;
  readonly filter: CompiledFilter;
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
