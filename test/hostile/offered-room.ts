import { addSignature, buildEvent, readPdu, roomVersion, stateKeyOf, authStateKeys, type EventDraft, type RoomEvent } from '../../libs/federation/src/index.js';
import type { Json } from '../network/test-client.js';
import { wire, type HostileServer } from './hostile-server.js';

const VERSION = '10';
const rules = roomVersion(VERSION)!;

/** A public room that a server of the tests holds and lets others join, by the rules. */
export class OfferedRoom {
  readonly roomId: string;
  readonly creator: string;
  readonly #state = new Map<string, RoomEvent>();
  #latest: RoomEvent | null = null;
  #ts = Date.now();

  /** @param onJoin gets each join that the server has taken, and holds up the answer; what it returns is the answer instead of a proper one */
  constructor(private readonly server: HostileServer, name: string, private readonly onJoin: (join: RoomEvent) => Promise<Json | void> = async () => {}) {
    this.roomId = `!${name}:${server.name}`;
    this.creator = server.user('creator');
    this.follow(this.event({ type: 'm.room.create', state_key: '', content: { room_version: VERSION, creator: this.creator } }));
    this.follow(this.event({ type: 'm.room.member', state_key: this.creator, content: { membership: 'join' } }));
    this.follow(this.event({ type: 'm.room.power_levels', state_key: '', content: { users: { [this.creator]: 100 }, invite: 50 } }));
    this.follow(this.event({ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'public' } }));
    server.on(new RegExp(`make_join/${this.roomId}`), (path) => this.#template(/(@[^?/]+)/.exec(path.slice(path.indexOf(this.roomId) + this.roomId.length))![1]!));
    server.on(new RegExp(`send_join/${this.roomId}`), (_path, body) => this.#join(body));
  }

  /** The events of the state at the end. */
  get state(): RoomEvent[] {
    return [...this.#state.values()];
  }

  /** An event behind the latest one, not sent. */
  event(changes: Partial<EventDraft> & { type: string }): RoomEvent {
    const draft: EventDraft = {
      room_id: this.roomId, sender: this.creator, content: {}, origin_server_ts: this.#ts++, depth: (this.#latest?.pdu.depth ?? 0) + 1,
      prev_events: this.#latest ? [this.#latest.eventId] : [], auth_events: [], ...changes,
    };
    draft.auth_events = this.#authEvents(draft);
    return buildEvent(draft, rules, { name: this.server.name, key: this.server.key });
  }

  message(body: string): RoomEvent {
    return this.event({ type: 'm.room.message', content: { body, msgtype: 'm.text' } });
  }

  /** The next events come behind this one. */
  follow(event: RoomEvent): RoomEvent {
    this.#latest = event;
    const { type, state_key: key } = event.pdu;
    if (key !== undefined) this.#state.set(stateKeyOf(type, key), event);
    return event;
  }

  #authEvents(draft: EventDraft): string[] {
    return authStateKeys(draft, rules).flatMap(([type, key]) => this.#state.get(stateKeyOf(type, key))?.eventId ?? []);
  }

  #template(userId: string): Json {
    const isRestricted = this.#state.get(stateKeyOf('m.room.join_rules', ''))?.pdu.content['join_rule'] === 'restricted';
    const draft: EventDraft = {
      type: 'm.room.member', room_id: this.roomId, sender: userId, state_key: userId,
      content: { membership: 'join', ...(isRestricted ? { join_authorised_via_users_server: this.creator } : {}) },
      origin_server_ts: this.#ts++, depth: this.#latest!.pdu.depth + 1, prev_events: [this.#latest!.eventId], auth_events: [],
    };
    return { room_version: VERSION, event: { ...draft, auth_events: this.#authEvents(draft) } };
  }

  async #join(body: Json): Promise<Json> {
    const state = [...this.#state.values()].map(wire);
    const given = readPdu(body, rules);
    const isCosigned = given.pdu.content['join_authorised_via_users_server'] === this.creator;
    const join = isCosigned ? addSignature(given, rules, this.server.name, this.server.key) : given;
    this.follow(join);
    return (await this.onJoin(join)) ?? { origin: this.server.name, members_omitted: false, state, auth_chain: state, event: wire(join) };
  }
}
