import {
  buildEvent, isJsonObject, jsonMember, signatureInput, stateKeyOf, type EventDraft, type JsonObject, type RoomEvent,
} from '../events/index.js';
import { genesisHash, signHomeRecord, type HomeGenesis, type HomeRecord } from '../home-record/index.js';
import { isUserId, localpartOf, serverNameOf } from '../identifiers/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import { sha256, signingKeyFromSeed, verifySignature, type SigningKey } from '../signing/index.js';
import {
  AuthError, authStateKeys, changesOf, checkAuth, checkAuthEvents, type AuthContext, type StateReader,
} from './index.js';

// Rooms for the tests: real events with real signatures, made from names alone, so that every run makes the same ones.

export function keyOf(name: string): SigningKey {
  return signingKeyFromSeed('ed25519:1', sha256(name));
}

export function genesisOf(userId: string, founding = 'first'): HomeGenesis {
  return {
    label: localpartOf(userId), server_name: serverNameOf(userId), created_ts: 0,
    recovery_key: keyOf(`${userId} recovery ${founding}`).publicKey,
    account_key: keyOf(`${userId} account ${founding}`).publicKey,
  };
}

/** A record of an account whose home keys are `keyOf('<user> at <home>')`. */
export function recordFor(
  userId: string, seq: number, homes: string[], change: Partial<HomeRecord> = {}, founding = 'first',
): HomeRecord {
  return signHomeRecord({
    user_id: userId, genesis: genesisOf(userId, founding), account_key_cert: null, epoch: 0, seq, master_key: null,
    homes: homes.map((name, priority) => ({
      server_name: name, key_id: 'ed25519:1', key: keyOf(`${userId} at ${name}`).publicKey, priority,
    })),
    ...change,
  }, keyOf(`${userId} account ${founding}`).sign);
}

/** What a test says of an event; the room fills in the rest. */
export interface Sent {
  type: string;
  sender: string;
  stateKey?: string;
  content?: JsonObject;
  ts?: number;
  home?: string;
  /** Replaces the record that a member event carries by itself; null leaves it out. */
  record?: HomeRecord | JsonObject | null;
  /** Replaces what the room would cite. */
  auth?: RoomEvent[];
  prev?: RoomEvent[];
  roomId?: string;
}

/** One line of a room's history; `fork` starts another from here. */
export class RoomFixture {
  readonly state = new Map<string, RoomEvent>();
  readonly ctx: AuthContext;
  create!: RoomEvent;
  last!: RoomEvent;
  /** Records that people publish; their server's name is their only home until a test says otherwise. */
  readonly records: Map<string, HomeRecord>;

  private constructor(
    readonly rules: RoomVersionRules, readonly events: Map<string, RoomEvent>, records: Map<string, HomeRecord>,
    readonly clock: { now: number },
  ) {
    this.records = new Map(records);
    this.ctx = {
      verifyHomeSignature: (event, home, keyId, key) => {
        const signature = event.pdu.signatures[home]?.[keyId];
        return signature !== undefined && verifySignature(key, signatureInput(event.pdu, rules), signature);
      },
    };
  }

  /** A room with its create event and its creator joined. */
  static founded(rules: RoomVersionRules, creator: string, content: JsonObject = {}): RoomFixture {
    const room = RoomFixture.unfounded(rules);
    room.send(room.createOf(creator, content));
    room.send({ type: 'm.room.member', sender: creator, stateKey: creator, content: { membership: 'join' } });
    return room;
  }

  static unfounded(rules: RoomVersionRules): RoomFixture {
    return new RoomFixture(rules, new Map(), new Map(), { now: 0 });
  }

  createOf(creator: string, content: JsonObject = {}): Sent {
    const named: JsonObject = this.rules.implicitCreator ? {} : { creator };
    const all: JsonObject = { room_version: this.rules.id, ...named, ...content };
    return { type: 'm.room.create', sender: creator, stateKey: '', content: all };
  }

  fork(): RoomFixture {
    const copy = new RoomFixture(this.rules, this.events, this.records, this.clock);
    for (const [key, event] of this.state) copy.state.set(key, event);
    copy.create = this.create;
    copy.last = this.last;
    return copy;
  }

  get reader(): StateReader {
    return { get: (type, stateKey) => this.state.get(stateKeyOf(type, stateKey)) };
  }

  stateIds(): Map<string, string> {
    return new Map([...this.state].map(([key, event]) => [key, event.eventId]));
  }

  /** Builds an event on top of the room, without adding it. */
  build(sent: Sent): RoomEvent {
    const content = this.contentOf(sent);
    const draft: EventDraft = {
      type: sent.type, sender: sent.sender, content, origin_server_ts: sent.ts ?? ++this.clock.now,
      depth: (this.last?.pdu.depth ?? 0) + 1,
      prev_events: (sent.prev ?? (this.last ? [this.last] : [])).map(({ eventId }) => eventId),
      auth_events: [],
      ...(sent.stateKey !== undefined && { state_key: sent.stateKey }),
    };
    const name = sent.home ?? this.recordOf(sent.sender).homes[0]!.server_name;
    if (this.rules.portable) draft.home = name;
    const cited = sent.auth
      ?? authStateKeys(draft, this.rules, this.reader).map(([type, key]) => this.state.get(stateKeyOf(type, key)));
    draft.auth_events = cited.filter((event) => event !== undefined).map(({ eventId }) => eventId);
    if (sent.type !== 'm.room.create') draft.room_id = sent.roomId ?? this.create.roomId;
    else if (!this.rules.roomIdIsCreateHash) draft.room_id = sent.roomId ?? `!room:${serverNameOf(sent.sender)}`;
    const key = keyOf(this.rules.portable ? `${sent.sender} at ${name}` : name);
    const event = buildEvent(draft, this.rules, { name, key });
    this.events.set(event.eventId, event);
    return event;
  }

  /** Adds an event, built or described, whether the rules allow it or not. */
  add(event: RoomEvent): RoomEvent {
    this.events.set(event.eventId, event);
    if (event.pdu.type === 'm.room.create') this.create = event;
    const { sets, ends } = changesOf(event, this.state, this.rules);
    if (sets !== undefined) this.state.set(sets, event);
    if (ends !== undefined) this.state.delete(ends);
    this.last = event;
    return event;
  }

  /** Adds an event that the rules must allow. */
  send(sent: Sent): RoomEvent {
    const event = this.build(sent);
    const verdict = this.verdict(event);
    if (verdict !== 'allowed') throw new Error(`the fixture's ${sent.type} is refused under ${verdict}`);
    return this.add(event);
  }

  join(userId: string, more: Partial<Sent> = {}): RoomEvent {
    return this.member(userId, userId, 'join', more);
  }

  member(sender: string, target: string, membership: string, { content, ...more }: Partial<Sent> = {}): RoomEvent {
    return this.send({ type: 'm.room.member', sender, stateKey: target, content: { membership, ...content }, ...more });
  }

  /** `allowed`, or the number of the rule that refuses the event, against state and against auth events alike. */
  verdict(event: RoomEvent): string {
    const byState = ruleOf(() => checkAuth(event, this.reader, this.rules, this.ctx));
    const cited = event.pdu.auth_events.map((id) => this.events.get(id)!);
    const byAuthEvents = ruleOf(() => checkAuthEvents(event, cited, this.create, this.rules, this.ctx));
    return byState === byAuthEvents ? byState : `${byState} by state, ${byAuthEvents} by auth events`;
  }

  try(sent: Sent): string {
    return this.verdict(this.build(sent));
  }

  private recordOf(userId: string): HomeRecord {
    const known = this.records.get(userId) ?? recordFor(userId, 0, [serverNameOf(userId)]);
    this.records.set(userId, known);
    return known;
  }

  /** Whom power levels and the create event mean, as the home of who sends them fills it in. */
  private withGeneses(content: JsonObject): JsonObject {
    const users = usersOf(content);
    if (users.length === 0 || 'io.partyline.genesis' in content) return content;
    return { ...content, 'io.partyline.genesis': Object.fromEntries(users.map((id) => [id, genesisHash(this.recordOf(id).genesis)])) };
  }

  private contentOf({ type, sender, stateKey, content = {}, record }: Sent): JsonObject {
    if (this.rules.portable && (type === 'm.room.power_levels' || type === 'm.room.create')) content = this.withGeneses(content);
    const holdsRecord = type === 'm.room.member' || type === 'm.room.create';
    if (!this.rules.portable || !holdsRecord || record === null) return content;
    const current = this.state.get(stateKeyOf('m.room.member', stateKey ?? ''));
    const own = type === 'm.room.create' || stateKey === sender ? this.recordOf(sender) : undefined;
    const carried = record ?? own ?? jsonMember(current?.pdu.content, 'home_record');
    return carried === undefined ? content : { ...content, home_record: carried as JsonObject };
  }
}

/** User ids of power levels or of a create event. */
function usersOf(content: JsonObject): string[] {
  const { users, additional_creators: creators } = content;
  return [...Object.keys(isJsonObject(users) ? users : {}), ...(Array.isArray(creators) ? creators : [])].filter((id) => isUserId(id));
}

export function ruleOf(check: () => void): string {
  try {
    check();
    return 'allowed';
  } catch (error) {
    if (error instanceof AuthError) return error.rule;
    throw error;
  }
}
