import type { RoomEventFilter } from './sync-filter.js';
import { TypePatterns } from './type-patterns.js';

/** What a filter looks at. */
export interface Filterable {
  readonly type: string;
  readonly sender: string;
  /** Whether `content` has a `url`; asked only when the filter wants to know. */
  readonly hasUrl: boolean;
}

/** A compiled event filter. */
export class EventMatcher {
  readonly #types: TypePatterns | null;
  readonly #notTypes: TypePatterns | null;
  readonly #senders: ReadonlySet<string> | null;
  readonly #notSenders: ReadonlySet<string> | null;
  readonly #rooms: ReadonlySet<string> | null;
  readonly #notRooms: ReadonlySet<string> | null;
  readonly #containsUrl: boolean | null;
  /** True when every event of every room passes. */
  readonly passesAll: boolean;

  constructor(readonly filter: RoomEventFilter = {}) {
    this.#types = filter.types ? new TypePatterns(filter.types) : null;
    this.#notTypes = filter.not_types?.length ? new TypePatterns(filter.not_types) : null;
    this.#senders = filter.senders ? new Set(filter.senders) : null;
    this.#notSenders = filter.not_senders?.length ? new Set(filter.not_senders) : null;
    this.#rooms = filter.rooms ? new Set(filter.rooms) : null;
    this.#notRooms = filter.not_rooms?.length ? new Set(filter.not_rooms) : null;
    this.#containsUrl = filter.contains_url ?? null;
    this.passesAll = !this.#types && !this.#notTypes && !this.#senders && !this.#notSenders && !this.#rooms
      && !this.#notRooms && this.#containsUrl === null;
  }

  /** Whether nothing of the room can pass. */
  blocksRoom(roomId: string): boolean {
    return (this.#rooms !== null && !this.#rooms.has(roomId)) || this.#notRooms?.has(roomId) === true;
  }

  /** What of the filter the database can check, as parameters of RoomLogStore.filteredPage. */
  get sql(): { types: string[] | null; notTypes: string[] | null; senders: string[] | null; notSenders: string[] | null } {
    return {
      types: this.#types?.toLike() ?? null,
      notTypes: this.#notTypes?.toLike() ?? null,
      senders: this.#senders ? [...this.#senders] : null,
      notSenders: this.#notSenders ? [...this.#notSenders] : null,
    };
  }

  passesType(type: string): boolean {
    return (this.#types === null || this.#types.test(type)) && !this.#notTypes?.test(type);
  }

  passes(event: Filterable): boolean {
    return this.passesType(event.type)
      && (this.#senders === null || this.#senders.has(event.sender))
      && !this.#notSenders?.has(event.sender)
      && (this.#containsUrl === null || event.hasUrl === this.#containsUrl);
  }
}
