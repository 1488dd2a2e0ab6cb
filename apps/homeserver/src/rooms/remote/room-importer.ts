import { Injectable } from '@nestjs/common';
import {
  AuthError, changesOf, checkAuth, entriesOf, resolveState, stateKeyOf, withoutRevoked, type RoomEvent, type RoomVersionRules, type StateReader,
} from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import type { NewEvent } from '../pipeline/room-commit.js';
import type { RoomDraft } from '../pipeline/room-draft.js';
import { RoomRegistry } from '../room-registry.js';
import { endOf, type Extremity } from '../room-view.js';
import { RoomsStore } from '../rooms.store.js';
import { HomeSignatures } from '../state/home-signatures.js';
import type { StateEntry } from '../state/state-entry.js';
import type { Snapshot } from '../state/snapshot.js';
import { StateResolver } from '../state/state-resolver.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus, type StoredEvent } from '../timeline/stored-event.js';
import { checkChain, checkCopies } from './check-chain.js';
import { PduVerifier } from './pdu-verifier.js';
import { readAll } from './read-all.js';

/** A room's state as another server gives it, at the event with which this server enters the room. */
export interface RoomImport {
  readonly roomId: string;
  readonly rules: RoomVersionRules;
  /** Parsed JSON, unchecked. */
  readonly state: readonly unknown[];
  readonly authChain: readonly unknown[];
  /** The event that is judged by the state and becomes the end of the graph: this server's join. */
  readonly event: RoomEvent;
  /** Whether this server made the event and sends it on by itself; `/send_join` makes the other server do it. */
  readonly destinations: readonly string[];
  /** Ends of what is held of the room here that stay ends. */
  readonly kept?: readonly string[];
}

/** A state with all proven events of the states that it came out of and of their auth chains. */
export interface ChainReader extends StateReader {
  readonly chain: Iterable<RoomEvent>;
}

/** A forward extremity of a room's graph as a replica gives it; of one that several give, each has its say. */
export interface RoomEnd {
  readonly event: RoomEvent;
  /** Event ids of the state after it. */
  readonly state: readonly string[];
}

/** A room as several replicas have it, for a server that enters it by events of its own. */
export interface RoomUnion {
  readonly roomId: string;
  readonly rules: RoomVersionRules;
  /** The events of the states and of their auth chains: parsed JSON, unchecked. */
  readonly events: readonly unknown[];
  /**
   * The ends of the graph that are built upon, best first, with the event ids of the state after each.
   *
   * @param proven the ids of those events that are signed and that the rules allow by their auth events
   */
  ends(proven: (events: readonly RoomEvent[]) => Promise<ReadonlySet<string>>): Promise<readonly RoomEnd[]>;
  /** Whether it may be entered upon these, of which all events hold, while the states of `lacking` others lack some. */
  suffices(whole: readonly RoomEnd[], lacking: number): boolean;
  /** Makes an event by which this server enters, in the state that the states after `prev` resolve to. */
  make(state: ChainReader, prev: readonly RoomEvent[]): RoomEvent;
  /** Servers that the events go to. */
  destinations(state: readonly RoomEvent[]): readonly string[];
  /** As of `RoomImport`. */
  readonly kept?: readonly string[];
}

/** Of an event (Server-Server, "PDUs"). */
const MAX_PREV_EVENTS = 20;
/** Events that this server makes to enter a room: 10 × 20 ends. */
const MAX_ENTRIES = 10;

/** Takes over rooms: checks all events, stores them as outliers, and makes the given state the current one. */
@Injectable()
export class RoomImporter {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly rooms: RoomsStore,
    private readonly events: EventsStore,
    private readonly verifier: PduVerifier,
    private readonly signatures: HomeSignatures,
    private readonly positions: StreamPositions,
    private readonly resolver: StateResolver,
  ) {}

  /**
   * To be called in the room's turn (`RoomArrivals`), and not for one in which this server takes part: the given
   * state takes the place of the one that is here.
   *
   * @throws MatrixError 502 when what the other server gave does not hold together
   */
  async import(given: RoomImport): Promise<void> {
    const { rules, roomId, event } = given;
    const authChain = (await readAll(given.authChain, rules, roomId)).filter((item) => item.eventId !== event.eventId);
    const state = stateBefore(event, await readAll(given.state, rules, roomId), authChain);
    const signed = await this.verifier.signedOnes(unique([...authChain, ...state]), rules);
    const chain = (await checkChain(signed, new Map(), rules, this.signatures.context(rules))).valid;
    const told = state.filter((item) => chain.has(item.eventId) && item.pdu.state_key !== undefined).map((item) => item.eventId);
    const stateEvents = [...countingOf(stateOf(told, chain, rules), chain, rules).values()].map((id) => chain.get(id)!);
    const create = stateEvents.find((item) => item.pdu.type === 'm.room.create' && item.pdu.state_key === '');
    if (!create) throw MatrixError.unknown(502, 'The other server gave a room without a valid create event');
    if ((create.pdu.content['room_version'] ?? '1') !== rules.id) throw MatrixError.unknown(502, 'The other server gave a room of another version');

    await this.#enter({ roomId, rules, chain, entries: [{ event, state: stateEvents }], destinations: given.destinations, kept: given.kept });
  }

  /**
   * The same with what several replicas have, none of which is believed alone: the states after their ends are resolved as all servers
   * resolve those before an event.
   *
   * @returns the events that were made; null where what holds does not suffice
   * @throws MatrixError 502 when nothing of what was given holds together
   */
  async importUnion(given: RoomUnion): Promise<readonly RoomEvent[] | null> {
    const { rules, roomId } = given;
    const context = this.signatures.context(rules);
    const signed = await this.verifier.signedOnes(await readAll(given.events, rules, roomId), rules);
    const chain = await checkCopies(signed, new Map(), rules, context);
    const ends = await given.ends(async (candidates) => {
      const good = await this.verifier.signedOnes(candidates, rules);
      const allowed = await checkCopies(good.filter((item) => !chain.has(item.eventId)), chain, rules, context);
      return new Set([...chain.keys(), ...allowed.keys()]);
    });
    const found = ends.map((end) => ({ end, event: end.event, state: stateOf(end.state, chain, rules) })).filter(({ state }) => state.has(CREATE_KEY));
    const whole = found.filter(({ state, end }) => state.size === end.state.length);
    if (!given.suffices(whole.map(({ end }) => end), ends.length - whole.length)) return null;
    const left = (whole.length > 0 ? whole : found).map((end) => ({ event: end.event, state: countingOf(end.state, chain, rules) }));
    if (left.length === 0) throw MatrixError.unknown(502, 'No server gave a room with a valid create event');
    const entries: EntryEvent[] = [];
    let last: { event: RoomEvent; state: ReadonlyMap<string, string> } | undefined;
    while (left.length > 0 && entries.length < MAX_ENTRIES) {
      const prev = [...(last ? [last] : []), ...left.splice(0, MAX_PREV_EVENTS - (last ? 1 : 0))];
      const resolved = resolveState({
        rules, roomId, stateSets: prev.map(({ state }) => state), event: (id) => chain.get(id), isRejected: (id) => !chain.has(id), ctx: context,
      });
      const state = [...resolved.values()].map((id) => chain.get(id)!);
      const create = chain.get(resolved.get(CREATE_KEY) ?? '');
      if ((create?.pdu.content['room_version'] ?? '1') !== rules.id) throw MatrixError.unknown(502, 'The other servers gave a room of another version');
      const reader = { chain: [...chain.values()], get: (type: string, stateKey: string) => chain.get(resolved.get(stateKeyOf(type, stateKey)) ?? '') };
      const event = given.make(reader, unique(prev.map((one) => one.event)));
      entries.push({ event, state });
      chain.set(event.eventId, event);
      last = { event, state: after(resolved, event, event.eventId, rules) };
    }
    for (const { event } of entries) chain.delete(event.eventId);
    await this.#enter({ roomId, rules, chain, entries, destinations: given.destinations(entries.at(-1)!.state), kept: given.kept });
    return entries.map(({ event }) => event);
  }

  async #enter(entry: Entry): Promise<void> {
    const { chain, entries, rules } = entry;
    const events = entries.map(({ event }) => event);
    const known = new Map((await this.events.byIds(entry.roomId, [...chain.keys(), ...events.map((event) => event.eventId)])).map((stored) => [stored.event.eventId, stored]));
    const nids = new Map<string, number>();
    // Older ones get lower numbers: should their place in the timeline be told later, a sync takes a descent for a gap.
    const oldestFirst = [...chain.values()].sort((a, b) => a.pdu.depth - b.pdu.depth);
    for (const { eventId } of [...oldestFirst, ...events]) nids.set(eventId, known.get(eventId)?.nid ?? this.positions.nextId('event_nid'));
    const befores = entries.map(({ event, state }) => {
      const before = new Map([...entriesOf(state, (item) => item, rules)].map(([key, item]): [string, StateEntry] => [key, { nid: nids.get(item.eventId)!, event: item }]));
      this.#judge(event, before, rules);
      return before;
    });
    await this.registry.entering(entry.roomId, () => this.#store(entry, befores, nids, known));
  }

  #judge(event: RoomEvent, entries: ReadonlyMap<string, StateEntry>, rules: RoomVersionRules): void {
    const reader: StateReader = { get: (type, stateKey) => entries.get(stateKeyOf(type, stateKey))?.event };
    try {
      checkAuth(event, reader, rules, this.signatures.context(rules));
    } catch (error) {
      if (error instanceof AuthError) throw MatrixError.forbidden(`The room's state does not allow this: ${error.message}`);
      throw error;
    }
  }

  async #store(
    { rules, roomId, chain, entries, destinations, kept = [] }: Entry, befores: readonly ReadonlyMap<string, StateEntry>[],
    nids: ReadonlyMap<string, number>, known: ReadonlyMap<string, StoredEvent>,
  ): Promise<void> {
    const held = await this.registry.find(roomId);
    const row = held ? undefined : await this.rooms.room(roomId);
    const room = held ?? this.registry.create(roomId, rules, row?.room_nid);
    const job = async (draft: RoomDraft): Promise<void> => {
      const ends = draft.extremities.filter((end) => kept.includes(end.eventId));
      if (!held) draft.created = { version: rules.id };
      for (const item of chain.values()) if (!known.has(item.eventId)) draft.addOutlier(item, nids.get(item.eventId)!);
      const made = new Set(entries.map(({ event }) => event.eventId));
      for (const [i, { event }] of entries.entries()) {
        const nid = nids.get(event.eventId)!;
        const before = draft.snapshotOf(new Map([...befores[i]!].map(([key, entry]) => [key, entry.nid])));
        const added = draft.add({
          event, nid, before, status: EventStatus.accepted, isOwn: destinations.length > 0, destinations,
          wasOutlier: known.has(event.eventId),
          txn: typeof event.pdu.txn === 'string' ? event.pdu.txn : null,
        });
        const snapshot = draft.after(before, event, nid);
        draft.afters.set(event.eventId, snapshot);
        if (i === entries.length - 1) await this.#become(draft, befores[i]!, snapshot, ends, added);
        draft.extremities = [endOf(nid, event, snapshot, rules)];
        for (const id of event.pdu.prev_events) {
          const prev = known.get(id);
          if (!made.has(id) && (!prev || prev.status === EventStatus.outlier)) draft.missing.push({ eventId: id, child: added });
        }
      }
      draft.extremities = [...draft.extremities, ...ends];
    };
    await (held ? room.run(job) : this.registry.enter(room, job));
  }

  /** Makes the state after the last event the current one, resolved with those after the ends that are kept. */
  async #become(
    draft: RoomDraft, before: ReadonlyMap<string, StateEntry>, snapshot: Snapshot, kept: readonly Extremity[], at: NewEvent,
  ): Promise<void> {
    const { event, nid } = at;
    const replaced = before.get(stateKeyOf(event.pdu.type, event.pdu.state_key ?? '')) ?? null;
    if (kept.length === 0) return draft.replaceState(after(before, event, { nid, event }, draft.room.rules), snapshot, at, replaced);
    const held = new Map(draft.events.map(({ nid, event }) => [nid, event]));
    const resolved = await this.resolver.resolve(draft.room, [snapshot, ...kept.map((end) => end.after)], held);
    const entries = await this.resolver.entries(draft.room, resolved.values(), held);
    draft.replaceState(new Map([...resolved].map(([key, nid]) => [key, entries.get(nid)!])), draft.extend(snapshot, snapshot.changesTo(resolved)), at, replaced);
  }
}

/** What becomes of a room here. */
interface Entry {
  readonly roomId: string;
  readonly rules: RoomVersionRules;
  /** Proven events by id. */
  readonly chain: ReadonlyMap<string, RoomEvent>;
  /** Each after the one before; the last one is the end of the graph. */
  readonly entries: readonly EntryEvent[];
  readonly destinations: readonly string[];
  readonly kept: readonly string[] | undefined;
}

/** An event by which this server enters, with the state before it. */
interface EntryEvent {
  readonly event: RoomEvent;
  readonly state: readonly RoomEvent[];
}

const CREATE_KEY = stateKeyOf('m.room.create', '');

/** The state before an event, where somebody has counted that event to it: in its place stands what it cites as replaced. */
function stateBefore(event: RoomEvent, told: readonly RoomEvent[], authChain: readonly RoomEvent[]): RoomEvent[] {
  const { type, state_key: stateKey, auth_events: cited } = event.pdu;
  const state = told.filter((item) => item.eventId !== event.eventId);
  if (state.length === told.length) return state;
  const replaced = authChain.find(({ eventId, pdu }) => cited.includes(eventId) && pdu.type === type && pdu.state_key === stateKey);
  return replaced ? [...state, replaced] : state;
}

/** The proven ones of these events by their state keys. */
function stateOf(ids: readonly string[], chain: ReadonlyMap<string, RoomEvent>, rules: RoomVersionRules): Map<string, string> {
  const entries = entriesOf(ids.flatMap((id) => chain.get(id) ?? []), (event) => event, rules);
  return new Map([...entries].map(([key, event]) => [key, event.eventId]));
}

/** What may count of a state that somebody tells of. */
function countingOf(state: ReadonlyMap<string, string>, chain: ReadonlyMap<string, RoomEvent>, rules: RoomVersionRules): ReadonlyMap<string, string> {
  return rules.portable ? withoutRevoked(state, (id) => chain.get(id)) : state;
}

/** A state with a state event more. */
function after<T>(state: ReadonlyMap<string, T>, event: RoomEvent, entry: T, rules: RoomVersionRules): Map<string, T> {
  const { sets, ends } = changesOf(event, state, rules);
  const next = new Map(state).set(sets!, entry);
  if (ends !== undefined) next.delete(ends);
  return next;
}

function unique(events: readonly RoomEvent[]): RoomEvent[] {
  return [...new Map(events.map((event) => [event.eventId, event])).values()];
}
