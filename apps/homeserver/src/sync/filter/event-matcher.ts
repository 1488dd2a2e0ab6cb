import type { StateFilter } from './state-filter.js';
import type { RoomEventFilter } from './sync-filter.js';
import { TypePatterns } from './type-patterns.js';

/** Conditions on timeline events that the database checks; null asks nothing. Types are patterns of LIKE. */
export interface SqlFilter {
  readonly types: string[] | null;
  readonly notTypes: string[] | null;
  readonly senders: string[] | null;
  readonly notSenders: string[] | null;
  /** One event relates to the one in question that is of one of these senders and relates in one of these ways. */
  readonly relatedBySenders: string[] | null;
  readonly relatedByRelTypes: string[] | null;
}

/** What a filter looks at. */
export interface Filterable {
  readonly type: string;
  readonly sender: string;
  /** Whether `content` has a `url`; asked only when the filter wants to know. */
  readonly hasUrl: boolean;
  /** How the event relates to another one; undefined for none. Asked only when the filter wants to know. */
  readonly relType: string | undefined;
}

/** A compiled event filter. */
export class EventMatcher implements StateFilter {
  readonly #types: TypePatterns | null;
  readonly #notTypes: TypePatterns | null;
  readonly #senders: ReadonlySet<string> | null;
  readonly #notSenders: ReadonlySet<string> | null;
  readonly #rooms: ReadonlySet<string> | null;
  readonly #notRooms: ReadonlySet<string> | null;
  readonly #containsUrl: boolean | null;
  readonly #relTypes: ReadonlySet<string> | null;
  readonly #notRelTypes: ReadonlySet<string> | null;
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
    const relTypes = filter.rel_types ?? filter['org.matrix.msc3874.rel_types'];
    const notRelTypes = filter.not_rel_types ?? filter['org.matrix.msc3874.not_rel_types'];
    this.#relTypes = relTypes ? new Set(relTypes) : null;
    this.#notRelTypes = notRelTypes?.length ? new Set(notRelTypes) : null;
    this.passesAll = !this.#types && !this.#notTypes && !this.#senders && !this.#notSenders && !this.#rooms
      && !this.#notRooms && this.#containsUrl === null && !this.#relTypes && !this.#notRelTypes
      && !filter.related_by_senders && !filter.related_by_rel_types;
  }

  /** Whether nothing of the room can pass. */
  blocksRoom(roomId: string): boolean {
    return (this.#rooms !== null && !this.#rooms.has(roomId)) || this.#notRooms?.has(roomId) === true;
  }

  /** What of the filter the database can check, as parameters of RoomLogStore.filteredPage: of what relates to events nothing else does. */
  get sql(): SqlFilter {
    return {
      types: this.#types?.toLike() ?? null,
      notTypes: this.#notTypes?.toLike() ?? null,
      senders: this.#senders ? [...this.#senders] : null,
      notSenders: this.#notSenders ? [...this.#notSenders] : null,
      relatedBySenders: this.filter.related_by_senders ?? null,
      relatedByRelTypes: this.filter.related_by_rel_types ?? null,
    };
  }

  readonly missedMembers = true;

  get members(): 'all' | 'none' {
    return this.passesType('m.room.member') ? 'all' : 'none';
  }

  passesKey(key: string): boolean {
    return this.passesType(key.slice(0, key.indexOf('\u0000')));
  }

  passesType(type: string): boolean {
    return (this.#types === null || this.#types.test(type)) && !this.#notTypes?.test(type);
  }

  passes(event: Filterable): boolean {
    return this.passesType(event.type)
      && (this.#senders === null || this.#senders.has(event.sender))
      && !this.#notSenders?.has(event.sender)
      && (this.#containsUrl === null || event.hasUrl === this.#containsUrl)
      && this.#passesRelation(event);
  }

  #passesRelation(event: Filterable): boolean {
    if (this.#relTypes === null && this.#notRelTypes === null) return true;
    const { relType } = event;
    return (this.#relTypes === null || (relType !== undefined && this.#relTypes.has(relType))) && !(relType !== undefined && this.#notRelTypes?.has(relType));
  }
}
