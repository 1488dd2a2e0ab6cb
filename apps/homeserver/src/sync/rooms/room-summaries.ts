import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Bus } from '../../bus/bus.js';
import { RoomSummariesStore } from './room-summaries.store.js';
import { SyncEvents } from './sync-events.js';
import { boundedCache } from '../../storage/bounded-cache.js';

const MAX_ROOMS = 20_000;
const MAX_HEROES = 5;

export interface Hero {
  readonly userId: string;
  readonly eventNid: number;
  readonly isPresent: boolean;
}

export interface Summary {
  readonly joined: number;
  readonly invited: number;
  /** Null when the room has a name of its own; else one more than are sent, because the reader is left out. */
  readonly heroes: readonly Hero[] | null;
}

/** Numbers of members, and who names a room without a name (Client-Server, `/sync`, RoomSummary). */
@Injectable()
export class RoomSummaries implements OnModuleDestroy {
  readonly #summaries = boundedCache<string, Summary>(MAX_ROOMS);
  readonly #unsubscribe: () => void;
  #changes = 0;

  constructor(
    private readonly store: RoomSummariesStore,
    private readonly events: SyncEvents,
    bus: Bus,
  ) {
    this.#unsubscribe = bus.subscribe((message) => {
      if (message.kind !== 'room') return;
      const isChange = message.membershipChanges.length > 0
        || message.events.some(({ event }) => event.pdu.state_key !== undefined || event.pdu.type === 'm.room.redaction');
      if (!isChange) return;
      this.#changes++;
      this.#summaries.delete(message.roomId);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** The summaries of these rooms as JSON text for this reader, with the member events of the heroes. */
  async of(
    rooms: readonly { roomId: string; roomNid: number }[], reader: string,
  ): Promise<Map<number, { json: string; heroes: Hero[] }>> {
    const summaries = await this.#all(rooms);
    return new Map([...summaries].map(([roomNid, summary]) => [roomNid, summaryFor(summary, reader)]));
  }

  /** The same, not written: heroes are those for this reader. */
  async read(rooms: readonly { roomId: string; roomNid: number }[], reader: string): Promise<Map<number, Summary>> {
    return new Map([...(await this.#all(rooms))].map(([nid, summary]) => [nid, { ...summary, heroes: summary.heroes && heroesFor(summary.heroes, reader) }]));
  }

  /** Numbers of joined members. */
  async joinedCounts(rooms: readonly { roomId: string; roomNid: number }[]): Promise<Map<number, number>> {
    return new Map([...(await this.#all(rooms))].map(([roomNid, summary]) => [roomNid, summary.joined]));
  }

  async #all(rooms: readonly { roomId: string; roomNid: number }[]): Promise<Map<number, Summary>> {
    const summaries = new Map<number, Summary>();
    const missing: { roomId: string; roomNid: number }[] = [];
    for (const room of rooms) {
      const held = this.#summaries.get(room.roomId);
      if (held) summaries.set(room.roomNid, held);
      else missing.push(room);
    }
    if (missing.length > 0) {
      const changes = this.#changes;
      const read = await this.#read(missing.map((room) => room.roomNid));
      for (const { roomId, roomNid } of missing) {
        summaries.set(roomNid, read.get(roomNid)!);
        if (changes === this.#changes) this.#summaries.set(roomId, read.get(roomNid)!);
      }
    }
    return summaries;
  }

  async #read(roomNids: readonly number[]): Promise<Map<number, Summary>> {
    const [counts, names] = await Promise.all([this.store.counts(roomNids), this.store.names(roomNids)]);
    const events = await this.events.load(names.map((name) => name.event_nid));
    const named = new Set<number>();
    for (const { room_nid: roomNid, type, event_nid: eventNid } of names) {
      const name = events.get(eventNid)?.content[type === 'm.room.name' ? 'name' : 'alias'];
      if (typeof name === 'string' && name !== '') named.add(roomNid);
    }
    const heroes = new Map<number, Hero[]>();
    const nameless = roomNids.filter((nid) => !named.has(nid));
    if (nameless.length > 0) {
      for (const row of await this.store.heroes(nameless, MAX_HEROES + 1)) {
        const list = heroes.get(row.room_nid) ?? [];
        heroes.set(row.room_nid, list);
        list.push({ userId: row.state_key, eventNid: row.event_nid, isPresent: row.membership === 'join' || row.membership === 'invite' });
      }
    }
    return new Map(roomNids.map((nid) => [nid, {
      ...(counts.get(nid) ?? { joined: 0, invited: 0 }),
      heroes: named.has(nid) ? null : (heroes.get(nid) ?? []),
    }]));
  }
}

function summaryFor(summary: Summary, reader: string): { json: string; heroes: Hero[] } {
  const counts = `"m.joined_member_count":${summary.joined},"m.invited_member_count":${summary.invited}`;
  if (!summary.heroes) return { json: `{${counts}}`, heroes: [] };
  const heroes = heroesFor(summary.heroes, reader);
  return { json: `{"m.heroes":${JSON.stringify(heroes.map((hero) => hero.userId))},${counts}}`, heroes };
}

function heroesFor(heroes: readonly Hero[], reader: string): Hero[] {
  const others = heroes.filter((hero) => hero.userId !== reader);
  const present = others.filter((hero) => hero.isPresent);
  return (present.length > 0 ? present : others).slice(0, MAX_HEROES);
}
