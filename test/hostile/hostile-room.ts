import {
  authStateKeys, buildEvent, readPdu, roomVersion, stateKeyOf, type EventDraft, type JsonObject, type RoomEvent, type RoomVersionRules,
  type SigningKey,
} from '../../libs/federation/src/index.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { wire, type HostileServer } from './hostile-server.js';

const FEDERATION = '/_matrix/federation';

/** What an event should be, where it differs from a proper one of the hostile server's user. */
export type EventChanges = Partial<Omit<EventDraft, 'content'>> & { readonly type: string; readonly content?: JsonObject };

/** A room that a hostile server has joined by the rules, and the events that it makes there. */
export class HostileRoom {
  /** Event ids of the state as this server has seen it. */
  readonly state = new Map<string, string>();
  readonly rules: RoomVersionRules;
  latest: string[] = [];
  depth = 0;
  #ts = Date.now();

  private constructor(
    readonly server: HostileServer,
    readonly roomId: string,
    version: string,
    /** Who acts. */
    readonly userId: string,
    private readonly signer: { readonly name: string; readonly key: SigningKey },
    /** The user's home record in portable rooms, and its home. */
    private readonly extra: { readonly content?: JsonObject; readonly home?: string } = {},
  ) {
    this.rules = roomVersion(version)!;
  }

  /** Joins as the specification says. */
  static async join(
    server: HostileServer, resident: TestServer, roomId: string, userId = server.user('mallory'),
    options: { signer?: { name: string; key: SigningKey }; content?: JsonObject; home?: string } = {},
  ): Promise<HostileRoom> {
    const versions = ['6', '10', '11', '12', 'io.partyline.1'].map((id) => `ver=${id}`).join('&');
    const path = `${FEDERATION}/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(userId)}?${versions}`;
    const template = await server.request(resident, 'GET', path);
    const { signer = { name: server.name, key: server.key }, ...extra } = options;
    const room = new HostileRoom(server, roomId, template.room_version, userId, signer, extra);
    await room.sendJoin(resident, room.#joinOf(template));
    return room;
  }

  /** The answer's state becomes this server's view of the room. */
  async sendJoin(resident: TestServer, join: RoomEvent): Promise<void> {
    const answer = await this.server.request(resident, 'PUT', `${FEDERATION}/v2/send_join/${encodeURIComponent(this.roomId)}/${encodeURIComponent(join.eventId)}`, wire(join));
    for (const pdu of answer.state) this.#note(readPdu(pdu, this.rules));
    this.follow(join);
  }

  /** A join of the user at the room's end, not sent. */
  async madeJoin(resident: TestServer, userId: string, changes: Partial<EventChanges> = {}): Promise<RoomEvent> {
    const path = `${FEDERATION}/v1/make_join/${encodeURIComponent(this.roomId)}/${encodeURIComponent(userId)}?ver=${this.rules.id}`;
    return this.#joinOf(await this.server.request(resident, 'GET', path), changes);
  }

  /** A well-formed event behind the last one, with whatever is to be wrong about it. */
  event(changes: EventChanges, signer = this.signer): RoomEvent {
    const draft: EventDraft = {
      sender: this.userId, room_id: this.roomId, content: {}, origin_server_ts: this.#ts++, depth: this.depth + 1, prev_events: this.latest,
      auth_events: [], ...(this.extra.home === undefined ? {} : { home: this.extra.home }), ...changes,
    };
    const auth = authStateKeys(draft, this.rules).map(([type, key]) => this.state.get(stateKeyOf(type, key)));
    return buildEvent({ ...draft, auth_events: changes.auth_events ?? auth.filter((id) => id !== undefined) }, this.rules, signer);
  }

  message(body: string, changes: Partial<EventChanges> = {}): RoomEvent {
    return this.event({ type: 'm.room.message', content: { body, msgtype: 'm.text' }, ...changes });
  }

  member(userId: string, membership: string, changes: Partial<EventChanges> = {}, signer = this.signer): RoomEvent {
    return this.event({ type: 'm.room.member', state_key: userId, ...changes, content: { membership, ...changes.content } }, signer);
  }

  /** The next events come behind this one. */
  follow(event: RoomEvent): RoomEvent {
    this.latest = [event.eventId];
    this.depth = event.pdu.depth;
    this.#note(event);
    return event;
  }

  /** What the content of the user's own member event says. */
  get joinContent(): JsonObject {
    return { membership: 'join', ...this.extra.content };
  }

  #joinOf({ event }: Json, changes: Partial<EventChanges> = {}): RoomEvent {
    return this.event({ ...event, ...(this.extra.home === undefined ? {} : { home: this.extra.home }), origin_server_ts: this.#ts++, content: this.joinContent, ...changes });
  }

  #note({ pdu, eventId }: RoomEvent): void {
    if (pdu.state_key !== undefined) this.state.set(stateKeyOf(pdu.type, pdu.state_key), eventId);
  }
}
