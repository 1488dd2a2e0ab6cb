import type { EventMatcher } from './event-matcher.js';
import type { StateFilter } from './state-filter.js';

/** What of rooms an answer is to hold: of `/sync` by its filter, of a sliding sync by the configuration of a list. */
export interface RoomSelection {
  readonly timeline: EventMatcher;
  readonly state: StateFilter;
  /** Events of a timeline. */
  readonly limit: number;
  readonly includeLeave: boolean;
  readonly lazyMembers: boolean;
  readonly redundantMembers: boolean;
  includesRoom(roomId: string): boolean;
}
