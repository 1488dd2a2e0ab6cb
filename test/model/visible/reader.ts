import type { Json, TestClient } from '../../network/test-client.js';

/** How a client asks. */
export interface Manner {
  readonly limit: number;
  readonly lazy: boolean;
  readonly after: boolean;
  /** By sliding sync, in the form of MSC4186. */
  readonly sliding?: boolean;
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
  /** Of its connections, each of which has a name of its own. */
  static #connections = 0;
  readonly #connection = `connection ${++Reader.#connections}`;

  constructor(readonly client: TestClient, readonly manner: Manner) {}

  get name(): string {
    const { limit, lazy, after, sliding } = this.manner;
    return `${this.client.userId} at ${this.client.server.label} (limit ${limit}${lazy ? ', lazy' : ''}${sliding ? ', sliding' : after ? ', state_after' : ''})`;
  }

  /** Goes back to what it held some answers ago, as if it had been killed before it stored the later ones. */
  forget(answers: number): void {
    this.store = this.#past.at(-answers) ?? this.store;
  }

  /** Starts over, as a new device does. */
  startAnew(): void {
    this.store = EMPTY;
  }

  async sync(): Promise<void> {
    const { limit, lazy, after, sliding } = this.manner;
    if (sliding) return this.#slide();
    const filter = JSON.stringify({ room: { timeline: { limit }, ...(lazy ? { state: { lazy_load_members: true } } : {}) } });
    const answer = await this.client.request('GET', '/v3/sync', undefined, {
      query: { since: this.store.since, filter, ...(after ? { use_state_after: true } : {}) },
    });
    this.#remember();
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
  }

  #remember(): void {
    this.#past.push(this.store);
    if (this.#past.length > 6) this.#past.shift();
  }

  async #slide(): Promise<void> {
    const { limit, lazy } = this.manner;
    const own = { type: 'm.room.member', state_key: this.client.userId };
    const { status, body: answer } = await this.client.raw('POST', '/v4/sync', {
      conn_id: this.#connection, pos: this.store.since,
      lists: { all: { range: [0, 9], required_state: { include: [{}, ...(lazy ? [own] : [])], lazy_members: lazy }, timeline_limit: limit } },
    });
    if (status === 400 && answer.errcode === 'M_UNKNOWN_POS') {
      this.startAnew();
      return this.#slide();
    }
    if (status !== 200) throw new Error(`${this.name}: ${status} ${JSON.stringify(answer)}`);
    this.#remember();
    const rooms = new Map(this.store.rooms);
    for (const [roomId, part] of Object.entries<Json>(answer.rooms)) {
      const held = rooms.get(roomId);
      if (part.membership !== 'invite' && part.membership !== 'knock') rooms.set(roomId, this.#slid(held, part));
      else rooms.set(roomId, { section: 'invite', timeline: held?.timeline ?? [], state: new Map(held?.state), unread: undefined });
    }
    this.store = { since: answer.pos, rooms };
  }

  #slid(held: HeldRoom | undefined, part: Json): HeldRoom {
    const isAnew = held === undefined || part.initial === true;
    const state = new Map(isAnew ? [] : held.state);
    for (const event of part.required_state ?? []) {
      const key = `${event.type}|${event.state_key}`;
      if (event.content === undefined) state.delete(key);
      else state.set(key, { eventId: event.event_id, content: event.content });
    }
    const ids: string[] = (part.timeline ?? []).map((event: Json) => event.event_id);
    const timeline = isAnew || part.limited || part.expanded_timeline ? ids : [...held.timeline, ...ids];
    return { section: part.membership === 'join' ? 'join' : 'leave', timeline, state, unread: undefined };
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
