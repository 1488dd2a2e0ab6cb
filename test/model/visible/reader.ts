import type { Json, TestClient } from '../../network/test-client.js';

/** How a client asks. */
export interface Manner {
  readonly limit: number;
  readonly lazy: boolean;
  readonly after: boolean;
}

/** What a client holds of a room. */
export interface HeldRoom {
  section: 'join' | 'leave' | 'invite';
  /** Event ids, oldest first, without a hole. */
  timeline: string[];
  /** `type|state_key` → event id and content. */
  state: Map<string, { readonly eventId: string; readonly content: Json }>;
  /** Unread messages, as the last answer with the room said. */
  unread: number | undefined;
}

/** What a client has stored. */
export interface Store {
  readonly since: string | undefined;
  readonly rooms: ReadonlyMap<string, HeldRoom>;
}

const EMPTY: Store = { since: undefined, rooms: new Map() };

/** A client as the specification describes one: it applies what `/sync` answers, and keeps nothing else. It can lose an answer. */
export class Reader {
  store: Store = EMPTY;
  readonly #past: Store[] = [];

  constructor(readonly client: TestClient, readonly manner: Manner) {}

  get name(): string {
    const { limit, lazy, after } = this.manner;
    return `${this.client.userId} at ${this.client.server.label} (limit ${limit}${lazy ? ', lazy' : ''}${after ? ', state_after' : ''})`;
  }

  /** Goes back to what it held some answers ago, as if it had been killed before it stored the later ones. */
  forget(answers: number): void {
    this.store = this.#past.at(-answers) ?? this.store;
  }

  /** Starts over, as a new device does. */
  startAnew(): void {
    this.store = EMPTY;
  }

  async sync(): Promise<Json> {
    const { limit, lazy, after } = this.manner;
    const filter = JSON.stringify({ room: { timeline: { limit }, ...(lazy ? { state: { lazy_load_members: true } } : {}) } });
    const answer = await this.client.request('GET', '/v3/sync', undefined, {
      query: { since: this.store.since, filter, ...(after ? { use_state_after: true } : {}) },
    });
    this.#past.push(this.store);
    if (this.#past.length > 6) this.#past.shift();
    const rooms = new Map(this.store.rooms);
    for (const [roomId, { invite_state: { events } }] of Object.entries<Json>(answer.rooms?.invite ?? {})) {
      const held = rooms.get(roomId);
      rooms.set(roomId, { section: 'invite', timeline: held?.timeline ?? [], state: new Map(held?.state), unread: undefined });
      for (const event of events) if (event.type === 'm.room.message') throw new Error(`${this.name}: a message in an invitation`);
    }
    for (const section of ['join', 'leave'] as const) {
      for (const [roomId, part] of Object.entries<Json>(answer.rooms?.[section] ?? {})) rooms.set(roomId, this.#applied(rooms.get(roomId), section, part));
    }
    this.store = { since: answer.next_batch, rooms };
    return answer;
  }

  #applied(held: HeldRoom | undefined, section: 'join' | 'leave', part: Json): HeldRoom {
    const { after } = this.manner;
    const state = new Map(held?.state);
    const events = after ? part.state_after.events : [...part.state.events, ...part.timeline.events.filter((event: Json) => event.state_key !== undefined)];
    for (const event of events) state.set(`${event.type}|${event.state_key}`, { eventId: event.event_id, content: event.content });
    const ids: string[] = part.timeline.events.map((event: Json) => event.event_id);
    const timeline = part.timeline.limited || held === undefined ? ids : [...held.timeline, ...ids];
    return { section, timeline, state, unread: part.unread_notifications?.notification_count };
  }
}
