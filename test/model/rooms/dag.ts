import {
  AuthError, authStateKeys, buildEvent, changesOf, checkAuth, checkAuthEvents, KNOWN_RECORD_TYPE, knownRecord, resolveState, roomVersion, standingEvents, stateKeyOf,
  type EventDraft, type HomeRecord, type JsonObject, type RoomEvent, type RoomVersionRules, type StateReader,
} from '#federation';
import { seal, seals } from './keys.ts';
import { domain } from './people.ts';

export const rules: RoomVersionRules = roomVersion('io.partyline.1')!;

export type State = ReadonlyMap<string, string>;

/** An event of the room's graph with what the rules make of it. All that is here follows from the graph alone, at every server. */
export interface Node {
  readonly event: RoomEvent;
  /** Order of making. */
  readonly n: number;
  readonly before: State;
  readonly after: State;
  /** Why it is rejected, by its auth events or by the state before it. */
  readonly refusal: string | undefined;
  /** Who made it. */
  readonly server: string;
  readonly text: string;
}

/** What somebody wants to send. */
export interface Wish {
  readonly type: string;
  readonly sender: string;
  readonly server: string;
  readonly key: string;
  readonly record: HomeRecord | undefined;
  readonly stateKey?: string;
  readonly content: JsonObject;
  readonly ts: number;
  readonly text: string;
}

/** All events that were ever made. */
export class Dag {
  readonly nodes = new Map<string, Node>();
  create!: RoomEvent;
  readonly #states = new Map<string, State>();

  get(id: string): Node {
    return this.nodes.get(id)!;
  }

  readonly event = (id: string): RoomEvent | undefined => this.nodes.get(id)?.event;

  reader(state: State): StateReader {
    return { get: (type, stateKey) => this.event(state.get(stateKeyOf(type, stateKey)) ?? '') };
  }

  /** The state that the states after some events resolve to. */
  stateAt(ids: readonly string[]): State {
    const key = [...ids].sort().join();
    let state = this.#states.get(key);
    if (!state) this.#states.set(key, (state = this.resolve(ids.map((id) => this.get(id).after))));
    return state;
  }

  resolve(states: readonly State[]): State {
    const distinct = states.filter((state, i) => states.findIndex((other) => isSame(other, state)) === i);
    if (distinct.length <= 1) return distinct[0] ?? new Map();
    return resolveState({
      rules, roomId: this.create.roomId, stateSets: distinct, event: this.event, ctx: seals,
      isRejected: (id) => this.get(id).refusal !== undefined,
    });
  }

  /** Makes an event behind others; the caller decides what becomes of one that is refused. */
  make(wish: Wish, prev: readonly string[]): Node {
    const before = this.stateAt(prev);
    const state = this.reader(before);
    const content = this.#content(wish, state);
    const draft: EventDraft = {
      type: wish.type, sender: wish.sender, content, origin_server_ts: wish.ts, home: domain(wish.server),
      depth: 1 + Math.max(0, ...prev.map((id) => this.get(id).event.pdu.depth)), prev_events: [...prev], auth_events: [],
      ...(wish.stateKey !== undefined && { state_key: wish.stateKey }),
      ...(this.create && { room_id: this.create.roomId }),
    };
    const cited = authStateKeys(draft, rules, state).flatMap(([type, key]) => state.get(type, key)?.eventId ?? []);
    const isOwn = wish.type === 'm.room.member' && wish.stateKey === wish.sender;
    const current = knownRecord(state, wish.sender);
    const stands = isOwn && wish.record ? standingEvents(wish.sender, current, wish.record, this.withChain([...before.values()])) : [];
    draft.auth_events = [...new Set([...cited, ...stands.map(({ eventId }) => eventId)])];
    return this.#add(buildEvent(draft, rules, { name: domain(wish.server), key: seal(wish.key) }), before, wish);
  }

  /** Events and their auth chains. */
  withChain(ids: readonly string[]): RoomEvent[] {
    const found = new Set(ids);
    for (const id of found) for (const cited of this.event(id)!.pdu.auth_events) found.add(cited);
    return [...found].map((id) => this.event(id)!);
  }

  #content(wish: Wish, state: StateReader): JsonObject {
    if (wish.type !== 'm.room.member' && wish.type !== 'm.room.create') return wish.content;
    const isOwn = wish.type === 'm.room.create' || wish.stateKey === wish.sender;
    const record = isOwn ? wish.record : knownRecord(state, wish.stateKey!);
    return record ? { ...wish.content, home_record: record as unknown as JsonObject } : wish.content;
  }

  #add(event: RoomEvent, before: State, { server, text }: Wish): Node {
    const known = this.nodes.get(event.eventId);
    if (known) return known;
    if (event.pdu.type === 'm.room.create') this.create = event;
    const refusal = this.#refusal(event, before);
    const after = refusal === undefined ? stateAfter(before, event) : before;
    const node = { event, n: this.nodes.size, before, after, refusal, server, text };
    this.nodes.set(event.eventId, node);
    return node;
  }

  #refusal(event: RoomEvent, before: State): string | undefined {
    const cited = event.pdu.auth_events.map((id) => this.get(id));
    if (cited.some((node) => node.refusal !== undefined)) return 'cites what was rejected';
    return refusalOf(() => {
      checkAuthEvents(event, cited.map((node) => node.event), this.create, rules, seals);
      checkAuth(event, this.reader(before), rules, seals);
    });
  }
}

export function stateAfter(before: State, event: RoomEvent): State {
  const { sets, ends } = changesOf(event, before, rules);
  if (sets === undefined) return before;
  const after = new Map(before).set(sets, event.eventId);
  if (ends !== undefined) after.delete(ends);
  return after;
}

/** Whether an entry is what a state knows beyond what it shows. */
export function isKnown(key: string): boolean {
  return key.startsWith(KNOWN_RECORD_TYPE);
}

export function refusalOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof AuthError) return `${error.rule}: ${error.message}`;
    throw error;
  }
}

export function isSame(a: State, b: State): boolean {
  if (a.size !== b.size) return false;
  for (const [key, id] of a) if (b.get(key) !== id) return false;
  return true;
}
