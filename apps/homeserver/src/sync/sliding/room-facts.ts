import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { parseStoredJson } from '#json';
import { Bus } from '../../bus/bus.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { RoomRowsStore } from '../rooms/room-rows.store.js';
import { RoomSummariesStore } from '../rooms/room-summaries.store.js';
import { SyncEvents } from '../rooms/sync-events.js';

const MAX_ROOMS = 100_000;

/** What lists are filtered by. */
export interface RoomFacts {
  /** `type` of the create event; null without one. */
  readonly type: string | null;
  readonly isEncrypted: boolean;
  /** Empty without a name. */
  readonly name: string;
}

const UNKNOWN: RoomFacts = { type: null, isEncrypted: false, name: '' };

/** Type, encryption and name of rooms, as far as the reader may know them. At most two reads, none for rooms that were asked for lately. */
@Injectable()
export class RoomFactsReader implements OnModuleDestroy {
  readonly #facts = boundedCache<string, RoomFacts>(MAX_ROOMS);
  readonly #unsubscribe: () => void;
  #changes = 0;

  constructor(
    private readonly states: RoomSummariesStore,
    private readonly rows: RoomRowsStore,
    private readonly events: SyncEvents,
    bus: Bus,
  ) {
    this.#unsubscribe = bus.subscribe((message) => {
      if (message.kind !== 'room' || !message.events.some(({ event }) => event.pdu.state_key === '' || event.pdu.type === 'm.room.redaction')) return;
      this.#changes++;
      this.#facts.delete(`${message.roomNid}`);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** By number of the room. Of rooms in which the reader is not, it is known what it was shown with the invitation. */
  async of(userId: string, rooms: readonly RoomMembership[]): Promise<ReadonlyMap<number, RoomFacts>> {
    const found = new Map<number, RoomFacts>();
    const missing: RoomMembership[] = [];
    for (const room of rooms) {
      const facts = this.#facts.get(keyOf(userId, room));
      if (facts) found.set(room.roomNid, facts);
      else missing.push(room);
    }
    if (missing.length === 0) return found;
    const changes = this.#changes;
    const [states, shown] = await Promise.all([this.#ofStates(missing.filter(isMember)), this.#shown(userId, missing.filter((room) => !isMember(room)))]);
    for (const room of missing) {
      const facts = states.get(room.roomNid) ?? shown.get(room.roomNid) ?? UNKNOWN;
      found.set(room.roomNid, facts);
      if (changes === this.#changes) this.#facts.set(keyOf(userId, room), facts);
    }
    return found;
  }

  async #ofStates(rooms: readonly RoomMembership[]): Promise<Map<number, RoomFacts>> {
    if (rooms.length === 0) return new Map();
    const rows = await this.states.facts(rooms.map((room) => room.roomNid));
    const events = await this.events.load(rows.filter(({ type }) => type !== 'm.room.encryption').map((row) => row.event_nid));
    const facts = new Map<number, RoomFacts>();
    for (const { room_nid: nid, type, event_nid: eventNid } of rows) {
      facts.set(nid, withFact(facts.get(nid) ?? UNKNOWN, type, events.get(eventNid)?.content ?? {}));
    }
    return facts;
  }

  async #shown(userId: string, rooms: readonly RoomMembership[]): Promise<Map<number, RoomFacts>> {
    const texts = await this.rows.strippedState(userId, rooms.map((room) => room.roomNid));
    return new Map([...texts].map(([nid, text]) => {
      const events = parseStoredJson(text) as { type?: unknown; content?: Record<string, unknown> }[];
      return [nid, events.reduce((facts, { type, content }) => withFact(facts, type, content ?? {}), UNKNOWN)];
    }));
  }
}

function isMember({ membership }: RoomMembership): boolean {
  return membership === 'join';
}

function keyOf(userId: string, room: RoomMembership): string {
  return isMember(room) ? `${room.roomNid}` : `${room.roomNid} ${room.pos} ${userId}`;
}

function withFact(facts: RoomFacts, type: unknown, content: Readonly<Record<string, unknown>>): RoomFacts {
  if (type === 'm.room.encryption') return { ...facts, isEncrypted: true };
  if (type === 'm.room.create') return { ...facts, type: typeof content['type'] === 'string' ? content['type'] : null };
  return type === 'm.room.name' && typeof content['name'] === 'string' ? { ...facts, name: content['name'] } : facts;
}
