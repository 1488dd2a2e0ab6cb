import type { Requester } from '../../accounts/requester.js';
import type { PresenceName } from '../../ephemeral/presence/presence-state.js';
import type { RequiredState } from './required-state.js';

/** What is wanted of the rooms of a list, or of a room (MSC4186, "room config"). */
export interface RoomConfig {
  /** Events of a timeline. */
  readonly limit: number;
  readonly state: RequiredState;
}

/** What rooms a list holds (MSC4186, "SlidingRoomFilter"). */
export interface ListFilters {
  readonly isDirect?: boolean | undefined;
  readonly isEncrypted?: boolean | undefined;
  readonly isInvited?: boolean | undefined;
  /** Rooms that one of these spaces, in which the reader is, has as its child. */
  readonly spaces?: readonly string[] | undefined;
  /** Null for rooms without a type. */
  readonly types?: ReadonlySet<string | null> | undefined;
  readonly notTypes?: ReadonlySet<string | null> | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly notTags?: readonly string[] | undefined;
  /** A part of the name, in any case. */
  readonly nameLike?: string | undefined;
}

export interface SlidingList {
  readonly config: RoomConfig;
  /** First and last place, from 0; null for all rooms. */
  readonly ranges: readonly (readonly [number, number])[] | null;
  readonly filters: ListFilters;
}

/** For which rooms an extension is on: of these lists, and of these subscriptions; null for all of them. */
export interface ExtensionScope {
  readonly lists: ReadonlySet<string> | null;
  readonly rooms: ReadonlySet<string> | null;
}

/** Extensions that are on. */
export interface Extensions {
  readonly toDevice?: { readonly since: string | undefined; readonly limit: number } | undefined;
  readonly e2ee?: boolean | undefined;
  readonly accountData?: ExtensionScope | undefined;
  readonly receipts?: ExtensionScope | undefined;
  readonly typing?: ExtensionScope | undefined;
  /** Whether the client calls that one `org.matrix.msc4508.typing`. */
  readonly isTypingUnstable?: boolean | undefined;
}

/** In which form a client asks and is answered: as today's clients do, or as MSC4186 was accepted. */
export type Dialect = 'unstable' | 'v4';

/** A sliding sync as it is asked for, whatever its form. */
export interface SlidingRequest {
  readonly requester: Requester;
  readonly dialect: Dialect;
  readonly connId: string;
  /** Undefined for the first request of a connection. */
  readonly pos: string | undefined;
  readonly timeoutMs: number;
  /** `set_presence`; undefined for the default. */
  readonly setPresence?: PresenceName | undefined;
  readonly lists: ReadonlyMap<string, SlidingList>;
  readonly subscriptions: ReadonlyMap<string, RoomConfig>;
  readonly extensions: Extensions;
  /** Whether frontiers and the account's version vector are wanted (protocol §5). */
  readonly frontier: boolean;
  /** Comes back in the answer. */
  readonly txnId: string | undefined;
}
