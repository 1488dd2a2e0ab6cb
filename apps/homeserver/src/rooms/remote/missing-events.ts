import { Injectable } from '@nestjs/common';
import { changesOf, entriesOf, type RoomEvent } from '#federation';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { RemoteError } from '../../federation/outgoing/remote-error.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { HistoryStore } from '../history/history.store.js';
import type { Room } from '../room.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus } from '../timeline/stored-event.js';
import { PduVerifier } from './pdu-verifier.js';
import { readAll } from './read-all.js';

/** Rounds of `/get_missing_events` before the state is asked for instead. */
const MAX_ROUNDS = 20;
const EVENTS_PER_ROUND = 50;
/** Above this many unknown state events the whole state is fetched at once. */
const MAX_SINGLE_EVENTS = 20;

/** The state before an event, as another server told it. */
export interface ToldState {
  /** Event nids by state key. */
  readonly state: ReadonlyMap<string, number>;
  /** Events that are not stored yet: outliers to be. */
  readonly outliers: ReadonlyMap<number, RoomEvent>;
}

/** Fetches what a received event refers to and this server lacks. */
@Injectable()
export class MissingEvents {
  constructor(
    private readonly federation: FederationClient,
    private readonly events: EventsStore,
    private readonly history: HistoryStore,
    private readonly verifier: PduVerifier,
    private readonly positions: StreamPositions,
  ) {}

  /** Ids among these that are not in the graph here (unknown, or outliers). */
  async unknown(room: Room, ids: readonly string[]): Promise<string[]> {
    const known = new Set((await this.events.byIds(room.id, ids)).filter((e) => e.status !== EventStatus.outlier).map((e) => e.event.eventId));
    return ids.filter((id) => !known.has(id));
  }

  /** Those of the ids that are not behind the beginning, or a gap, of this server's timeline: what is there came before, and is no news. */
  async recent(room: Room, ids: readonly string[]): Promise<string[]> {
    const behind = new Set((await this.history.ofRoom(room.nid)).flatMap((gap) => gap.eventIds));
    return ids.filter((id) => !behind.has(id));
  }

  /**
   * Events between the room's extremities and this event, oldest first, signed as they must be. Stops when everything
   * connects, when the other server has no more, or after a bounded number of rounds; and where the history of this server
   * begins: what lies behind a gap of its timeline came before, and is no news.
   */
  async before(room: Room, event: RoomEvent, from: string): Promise<RoomEvent[]> {
    const found = new Map<string, RoomEvent>();
    let latest = [event.eventId];
    const behind = new Set((await this.history.ofRoom(room.nid)).flatMap((gap) => gap.eventIds));
    const open = async (ids: readonly string[]) => new Set((await this.unknown(room, ids)).filter((id) => !behind.has(id)));
    let wanted = await open(event.pdu.prev_events);
    for (let round = 0; wanted.size > 0 && round < MAX_ROUNDS; round++) {
      const asked = this.federation.request<{ events?: unknown }>({
        destination: from,
        method: 'POST',
        path: federationPath`/_matrix/federation/v1/get_missing_events/${room.id}`,
        body: { earliest_events: room.extremities.map((e) => e.eventId), latest_events: latest, limit: EVENTS_PER_ROUND, min_depth: 0 },
      });
      // What was given before counts.
      const answer = await (round === 0 ? asked : asked.catch(() => ({ events: [] })));
      const given = await readAll(Array.isArray(answer.events) ? answer.events.slice(0, EVENTS_PER_ROUND) : [], room.rules, room.id);
      const fresh = given.filter((item) => !found.has(item.eventId) && !behind.has(item.eventId) && item.eventId !== event.eventId);
      const signed = await this.verifier.signedOnes(fresh, room.rules);
      if (signed.length === 0) break;
      for (const item of signed) found.set(item.eventId, item);
      const prev = new Set([...leadingTo(event, found).values(), event].flatMap((item) => item.pdu.prev_events).filter((id) => !found.has(id)));
      wanted = await open([...prev]);
      latest = [...found.values()].filter((item) => item.pdu.prev_events.some((id) => wanted.has(id))).map((item) => item.eventId).slice(0, 20);
    }
    return inGraphOrder(leadingTo(event, found));
  }

  /** The state before an event, by `/state_ids`; events that are unknown are fetched and verified. */
  async stateBefore(room: Room, eventId: string, from: string): Promise<ToldState> {
    const ids = await this.federation.request<{ pdu_ids?: unknown; auth_chain_ids?: unknown }>({
      destination: from, method: 'GET', path: federationPath`/_matrix/federation/v1/state_ids/${room.id}`, query: { event_id: eventId }, timeoutMs: 60_000,
    });
    // No event is part of the state before itself: it would be stored as such, and count as known then.
    const stateIds = strings(ids.pdu_ids).filter((id) => id !== eventId);
    const chainIds = strings(ids.auth_chain_ids).filter((id) => id !== eventId);
    const known = await this.events.byIds(room.id, [...stateIds, ...chainIds]);
    const byId = new Map(known.map((stored) => [stored.event.eventId, { nid: stored.nid, event: stored.event }]));
    const unknown = [...new Set([...stateIds, ...chainIds])].filter((id) => !byId.has(id));
    const outliers = new Map<number, RoomEvent>();
    const fetched = unknown.length > MAX_SINGLE_EVENTS ? await this.#wholeState(room, eventId, from) : await this.#fetched(room, unknown, from);
    for (const event of await this.verifier.signedOnes(fetched, room.rules)) {
      if (byId.has(event.eventId) || event.eventId === eventId) continue;
      const nid = this.positions.nextId('event_nid');
      byId.set(event.eventId, { nid, event });
      outliers.set(nid, event);
    }
    // What was rejected is part of no state.
    for (const stored of known) if (stored.status === EventStatus.rejected) byId.delete(stored.event.eventId);
    const entries = entriesOf(stateIds.flatMap((id) => byId.get(id) ?? []), (item) => item.event, room.rules);
    return { state: new Map([...entries].map(([key, item]) => [key, item.nid])), outliers };
  }

  /**
   * The state before an event that follows one which is missing: as told of the event itself or, by servers that do not tell
   * that, of the missing one and what it adds.
   */
  async stateBeforeOrAfterMissing(room: Room, event: RoomEvent, from: string): Promise<ToldState> {
    try {
      return await this.stateBefore(room, event.eventId, from);
    } catch (error) {
      const [previous, ...others] = event.pdu.prev_events;
      if (previous === undefined || others.length > 0 || !(error instanceof RemoteError) || error.remoteStatus !== 404) throw error;
      const told = await this.stateBefore(room, previous, from);
      const [missing] = await this.single(room, [previous], from);
      if (missing?.pdu.state_key === undefined) return told;
      const nid = this.positions.nextId('event_nid');
      const state = new Map(told.state);
      const { sets, ends } = changesOf(missing, state, room.rules);
      state.set(sets!, nid);
      if (ends !== undefined) state.delete(ends);
      return { state, outliers: new Map([...told.outliers, [nid, missing]]) };
    }
  }

  /** The auth chain of an event, verified: for auth events that are unknown. */
  async authChain(room: Room, eventId: string, from: string): Promise<RoomEvent[]> {
    const answer = await this.federation.request<{ auth_chain?: unknown }>({
      destination: from, method: 'GET', path: federationPath`/_matrix/federation/v1/event_auth/${room.id}/${eventId}`,
    });
    const events = await readAll(Array.isArray(answer.auth_chain) ? answer.auth_chain : [], room.rules, room.id);
    return this.verifier.signedOnes(events.filter((event) => event.eventId !== eventId), room.rules);
  }

  async #wholeState(room: Room, eventId: string, from: string): Promise<RoomEvent[]> {
    const answer = await this.federation.request<{ pdus?: unknown; auth_chain?: unknown }>({
      destination: from, method: 'GET', path: federationPath`/_matrix/federation/v1/state/${room.id}`, query: { event_id: eventId },
      timeoutMs: 120_000, maxBytes: 128 * 1024 * 1024,
    });
    const pdus = [answer.pdus, answer.auth_chain].flatMap((list) => (Array.isArray(list) ? list : []));
    return readAll(pdus, room.rules, room.id);
  }

  /** The signed ones of these events that the server has; for few of them. */
  async single(room: Room, ids: readonly string[], from: string): Promise<RoomEvent[]> {
    return this.verifier.signedOnes(await this.#fetched(room, ids, from), room.rules);
  }

  async #fetched(room: Room, ids: readonly string[], from: string): Promise<RoomEvent[]> {
    const answers = await Promise.all(ids.map((id) =>
      this.federation.request<{ pdus?: unknown }>({ destination: from, method: 'GET', path: federationPath`/_matrix/federation/v1/event/${id}`, timeoutMs: 10_000 })
        .then((answer) => (Array.isArray(answer.pdus) ? answer.pdus : []), () => []),
    ));
    return (await readAll(answers.flat(), room.rules, room.id)).filter((event) => ids.includes(event.eventId));
  }
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** Those of the events that lead to this one through each other. What is only behind a gap is given, too, and does not. */
function leadingTo(event: RoomEvent, events: ReadonlyMap<string, RoomEvent>): Map<string, RoomEvent> {
  const found = new Map<string, RoomEvent>();
  const stack = [...event.pdu.prev_events];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    const item = events.get(id);
    if (!item || found.has(id)) continue;
    found.set(id, item);
    stack.push(...item.pdu.prev_events);
  }
  return found;
}

/** Each event after those of its prev_events that are among them. */
export function inGraphOrder(events: ReadonlyMap<string, RoomEvent>): RoomEvent[] {
  const order: RoomEvent[] = [];
  const state = new Map<string, 'open' | 'done'>();
  for (const start of [...events.values()].sort((a, b) => a.pdu.depth - b.pdu.depth)) {
    const stack = [start];
    while (stack.length > 0) {
      const event = stack.at(-1)!;
      const seen = state.get(event.eventId);
      if (!seen) {
        state.set(event.eventId, 'open');
        for (const id of event.pdu.prev_events) {
          const prev = events.get(id);
          if (prev && !state.has(id)) stack.push(prev);
        }
        continue;
      }
      stack.pop();
      if (seen === 'open') {
        state.set(event.eventId, 'done');
        order.push(event);
      }
    }
  }
  return order;
}
