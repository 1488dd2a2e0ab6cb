import { Injectable } from '@nestjs/common';
import { KNOWN_RECORD_TYPE, resolveState, stateKeyOf, withoutRevoked, type RoomEvent, type StateReader } from '#federation';
import type { RoomView } from '../room-view.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus, type StoredEvent } from '../timeline/stored-event.js';
import { HomeSignatures } from './home-signatures.js';
import { isReadable, type StateEntry } from './state-entry.js';
import type { Snapshot } from './snapshot.js';
import { splitStateKey } from './state-key.js';

/** Events at hand while a room is being written, so that they need not be read. */
export type HeldEvents = ReadonlyMap<number, RoomEvent>;

/** State that the auth rules ask for. */
const JUDGED_BY = new Set(['m.room.create', 'm.room.power_levels', 'm.room.join_rules', 'm.room.member', 'm.room.third_party_invite', KNOWN_RECORD_TYPE]);

/** Reads the events of states and resolves states that differ (Server-Server, "State resolution"). */
@Injectable()
export class StateResolver {
  constructor(
    private readonly events: EventsStore,
    private readonly signatures: HomeSignatures,
  ) {}

  /**
   * The events behind these ids: from the current state, from `held`, or read in one query.
   *
   * @param suffices of which of them it is enough what is kept in memory
   */
  async entries(
    room: RoomView, nids: Iterable<number>, held: HeldEvents, suffices: (entry: StateEntry) => boolean = () => false,
  ): Promise<Map<number, StateEntry>> {
    const entries = new Map<number, StateEntry>();
    const wanted = new Set(nids);
    if (wanted.size > 20) {
      for (const [, entry] of room.state.entries()) {
        if (wanted.has(entry.nid) && (!entry.whole || suffices(entry))) entries.set(entry.nid, entry);
      }
    }
    const missing: number[] = [];
    for (const nid of wanted) {
      const event = held.get(nid);
      if (event) entries.set(nid, { nid, event });
      else if (!entries.has(nid)) missing.push(nid);
    }
    for (const stored of await this.events.byNids(missing)) entries.set(stored.nid, { nid: stored.nid, event: stored.event });
    return entries;
  }

  /** Reads a state for the auth rules: all its events that these ask for are loaded at once. */
  async reader(room: RoomView, state: ReadonlyMap<string, number>, held: HeldEvents): Promise<StateReader> {
    const nids = [...state].filter(([key]) => JUDGED_BY.has(splitStateKey(key)[0])).map(([, nid]) => nid);
    const entries = await this.entries(room, nids, held);
    return { get: (type, stateKey) => entries.get(state.get(stateKeyOf(type, stateKey)) ?? -1)?.event };
  }

  /**
   * A state that another server tells of, as far as it may count: without what homes did beside their revocation (protocol §3,
   * "Resolution").
   */
  async counting(room: RoomView, told: ReadonlyMap<string, number>, held: HeldEvents): Promise<ReadonlyMap<string, number>> {
    if (!room.rules.portable) return told;
    const entries = await this.entries(room, told.values(), held);
    const known = new Map([...held.values()].map((event) => [event.eventId, event]));
    const chain = await this.events.authChain(room.id, [...entries.values()].map(({ event }) => event), known);
    const nids = new Map([...entries.values(), ...[...held].map(([nid, event]) => ({ nid, event }))].map(({ nid, event }) => [event.eventId, nid]));
    const events = new Map<string, RoomEvent>();
    for (const [id, item] of chain) {
      events.set(id, isStored(item) ? item.event : item);
      if (isStored(item)) nids.set(id, item.nid);
    }
    const counting = withoutRevoked(toIds(told, entries), (id) => events.get(id));
    return new Map([...counting].map(([key, id]) => [key, nids.get(id)!]));
  }

  /**
   * The state that several states resolve to, as event nids by state key.
   *
   * @param snapshots the states after each of an event's prev_events, or after each forward extremity
   */
  async resolve(room: RoomView, snapshots: readonly Snapshot[], held: HeldEvents): Promise<Map<string, number>> {
    const states = distinct(snapshots);
    if (states.length === 0) return new Map();
    if (states.length === 1) return states[0]!;
    const nids = new Set<number>();
    for (const state of states) for (const nid of state.values()) nids.add(nid);
    const entries = await this.entries(room, nids, held, (entry) => isUndisputed(room, states, entry));
    const byId = new Map<string, { nid: number; event: RoomEvent; isRejected: boolean }>();
    for (const { nid, event } of entries.values()) byId.set(event.eventId, { nid, event, isRejected: false });
    const ends = [...byId.values()].map(({ event }) => event);
    // What this commit has brought and replaced again is in no state, and not in the database yet; the chains lead through it.
    for (const [nid, event] of held) if (!byId.has(event.eventId)) byId.set(event.eventId, { nid, event, isRejected: false });
    const known = new Map([...byId].map(([id, { event }]) => [id, event]));
    for (const item of (await this.events.authChain(room.id, ends, known)).values()) {
      if (!isStored(item)) continue;
      byId.set(item.event.eventId, { nid: item.nid, event: item.event, isRejected: item.status === EventStatus.rejected });
    }
    const resolved = resolveState({
      rules: room.rules,
      roomId: room.id,
      stateSets: states.map((state) => toIds(state, entries)),
      event: (id) => byId.get(id)?.event,
      isRejected: (id) => byId.get(id)?.isRejected ?? false,
      ctx: this.signatures.context(room.rules),
    });
    return new Map([...resolved].map(([key, id]) => [key, byId.get(id)!.nid]));
  }
}

/** State in which all agree, and that no rule asks for: its place is all that matters. Portable rooms look at who set it, too. */
function isUndisputed({ rules }: RoomView, states: readonly ReadonlyMap<string, number>[], entry: StateEntry): boolean {
  if (rules.portable || isReadable(entry)) return false;
  const { type, state_key: stateKey } = entry.event.pdu;
  return states.every((state) => state.get(stateKeyOf(type, stateKey!)) === entry.nid);
}

function isStored(item: StoredEvent | RoomEvent): item is StoredEvent {
  return 'nid' in item;
}

function toIds(state: ReadonlyMap<string, number>, entries: ReadonlyMap<number, StateEntry>): Map<string, string> {
  const ids = new Map<string, string>();
  for (const [key, nid] of state) {
    const entry = entries.get(nid);
    if (entry) ids.set(key, entry.event.eventId);
  }
  return ids;
}

/** The states that differ from each other. */
function distinct(snapshots: readonly Snapshot[]): Map<string, number>[] {
  const states: Map<string, number>[] = [];
  const nids = new Set<number>();
  for (const snapshot of snapshots) {
    if (snapshot.isStored) {
      if (nids.has(snapshot.nid!)) continue;
      nids.add(snapshot.nid!);
    }
    const state = snapshot.toMap();
    if (!states.some((other) => isSame(other, state))) states.push(state);
  }
  return states;
}

function isSame(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, nid] of a) if (b.get(key) !== nid) return false;
  return true;
}
