import { EventMatcher } from './event-matcher.js';
import type { RoomSelection } from './room-selection.js';
import { DEFAULT_TIMELINE_LIMIT, MAX_TIMELINE_LIMIT, type SyncFilter } from './sync-filter.js';

/** A filter, prepared for use. */
export class CompiledFilter implements RoomSelection {
  readonly timeline: EventMatcher;
  readonly state: EventMatcher;
  readonly ephemeral: EventMatcher;
  readonly roomAccountData: EventMatcher;
  readonly accountData: EventMatcher;
  readonly presence: EventMatcher;
  readonly limit: number;
  readonly includeLeave: boolean;
  readonly lazyMembers: boolean;
  readonly redundantMembers: boolean;
  /** Counts of unread events per thread. */
  readonly threadCounts: boolean;
  /** Dot-separated paths of the members to keep; null keeps all. */
  readonly fields: readonly string[] | null;
  readonly isFederationFormat: boolean;
  readonly #rooms: EventMatcher;

  constructor(filter: SyncFilter) {
    const room = filter.room ?? {};
    this.timeline = new EventMatcher(room.timeline);
    this.state = new EventMatcher(room.state);
    this.ephemeral = new EventMatcher(room.ephemeral);
    this.roomAccountData = new EventMatcher(room.account_data);
    this.accountData = new EventMatcher(filter.account_data);
    this.presence = new EventMatcher(filter.presence);
    this.limit = Math.min(room.timeline?.limit ?? DEFAULT_TIMELINE_LIMIT, MAX_TIMELINE_LIMIT);
    this.includeLeave = room.include_leave ?? false;
    this.lazyMembers = room.state?.lazy_load_members ?? false;
    this.redundantMembers = room.state?.include_redundant_members ?? false;
    this.threadCounts = room.timeline?.unread_thread_notifications ?? false;
    this.fields = filter.event_fields?.length ? filter.event_fields : null;
    this.isFederationFormat = filter.event_format === 'federation';
    this.#rooms = new EventMatcher({ rooms: room.rooms, not_rooms: room.not_rooms });
  }

  includesRoom(roomId: string): boolean {
    return !this.#rooms.blocksRoom(roomId);
  }
}
