import { Injectable } from '@nestjs/common';
import type { RoomEvent } from '#federation';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { inGraphOrder, MissingEvents, type ToldState } from '../remote/missing-events.js';
import { PduVerifier } from '../remote/pdu-verifier.js';
import { readAll } from '../remote/read-all.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import type { Room } from '../room.js';
import { EventsStore } from '../timeline/events.store.js';
import { type Gap, HistoryStore } from './history.store.js';

const EVENTS_PER_REQUEST = 100;
/** Ids that are asked for at once. */
const MAX_WANTED = 20;
/** States and auth chains that are fetched for one answer. */
const MAX_STATES = 3;
const MAX_AUTH_CHAINS = 3;

/** A stretch of history as another server gave it, signed as it must be, but not judged. */
export interface FetchedHistory {
  /** Each after those of its prev_events that are among them. */
  readonly events: readonly RoomEvent[];
  /** The state before every one of them, where it is the same: nothing but messages in a row. */
  readonly sharedState: number | undefined;
  /** States before events whose prev_events are missing: event nids by state key. */
  readonly told: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** Events of these states and of auth chains that are not stored, by the numeric ids that they are to have. */
  readonly outliers: ReadonlyMap<number, RoomEvent>;
  /** Numeric ids that events have got on the way, by event id. */
  readonly nids: ReadonlyMap<string, number>;
}

/** Asks other servers for what was before (Server-Server, "Backfilling and retrieving missing events"). */
@Injectable()
export class HistoryFetcher {
  constructor(
    private readonly federation: FederationClient,
    private readonly verifier: PduVerifier,
    private readonly missing: MissingEvents,
    private readonly events: EventsStore,
    private readonly history: HistoryStore,
    private readonly positions: StreamPositions,
  ) {}

  /**
   * What a server has below the gap; undefined when that is nothing new.
   *
   * @throws MatrixError when the server refuses or is away
   */
  async fetch(room: Room, gap: Gap, server: string): Promise<FetchedHistory | undefined> {
    const wanted = gap.eventIds.slice(0, MAX_WANTED);
    const answer = await this.federation.request<{ pdus?: unknown }>({
      destination: server,
      method: 'GET',
      path: federationPath`/_matrix/federation/v1/backfill/${room.id}`,
      query: { v: wanted, limit: EVENTS_PER_REQUEST },
    });
    const pdus = Array.isArray(answer.pdus) ? answer.pdus.slice(0, EVENTS_PER_REQUEST) : [];
    const signed = await this.verifier.signedOnes(await readAll(pdus, room.rules, room.id), room.rules);
    const unknown = new Set(await this.missing.unknown(room, signed.map((event) => event.eventId)));
    const events = inGraphOrder(connected(wanted, signed.filter((event) => unknown.has(event.eventId))));
    if (events.length === 0) return undefined;
    const sharedState = await this.#sharedState(room, gap, events);
    const told = sharedState === undefined ? await this.#states(room, events, server) : [];
    const chains = await this.#authChains(room, events, told.map(([, state]) => state), server);
    return { events, sharedState, ...this.#unified(events, told, chains) };
  }

  /** Between messages in a row the state does not change, so that it is the one before the event above the gap. */
  async #sharedState(room: Room, gap: Gap, events: readonly RoomEvent[]): Promise<number | undefined> {
    if (events.some((event) => event.pdu.state_key !== undefined)) return undefined;
    const child = await this.history.child(room.nid, gap.childPos);
    let named = child?.prevEvents ?? [];
    for (const event of events.toReversed()) {
      if (named.length !== 1 || named[0] !== event.eventId) return undefined;
      named = event.pdu.prev_events;
    }
    return child?.stateNid ?? undefined;
  }

  /** The states before those events whose prev_events are neither among them nor here, oldest first. */
  async #states(room: Room, events: readonly RoomEvent[], server: string): Promise<[string, ToldState][]> {
    const given = new Set(events.map((event) => event.eventId));
    const outside = [...new Set(events.flatMap((event) => event.pdu.prev_events))].filter((id) => !given.has(id));
    const unknown = new Set(await this.missing.unknown(room, outside));
    const entries = events.filter((event) => event.pdu.prev_events.some((id) => unknown.has(id)));
    const states: [string, ToldState][] = [];
    for (const { eventId } of entries.slice(0, MAX_STATES)) states.push([eventId, await this.missing.stateBefore(room, eventId, server)]);
    return states;
  }

  /** The auth chains of events that refer to what is neither here nor among what was given. */
  async #authChains(room: Room, events: readonly RoomEvent[], told: readonly ToldState[], server: string): Promise<RoomEvent[]> {
    const given = new Set([...events, ...told.flatMap((state) => [...state.outliers.values()])].map((event) => event.eventId));
    const named = [...new Set(events.flatMap((event) => event.pdu.auth_events))].filter((id) => !given.has(id));
    for (const stored of await this.events.byIds(room.id, named)) given.add(stored.event.eventId);
    const chain = new Map<string, RoomEvent>();
    for (let i = 0; i < MAX_AUTH_CHAINS; i++) {
      const lacking = events.findLast((event) => event.pdu.auth_events.some((id) => !given.has(id)));
      if (!lacking) break;
      for (const event of await this.missing.authChain(room, lacking.eventId, server)) chain.set(event.eventId, event);
      for (const id of [...chain.keys(), ...lacking.pdu.auth_events]) given.add(id);
    }
    const known = new Set([...(await this.events.byIds(room.id, [...chain.keys()])).map((stored) => stored.event.eventId), ...events.map((event) => event.eventId)]);
    return [...chain.values()].filter((event) => !known.has(event.eventId));
  }

  /** One numeric id for each event, although several states told of it. */
  #unified(events: readonly RoomEvent[], told: readonly (readonly [string, ToldState])[], chains: readonly RoomEvent[]): Pick<FetchedHistory, 'told' | 'outliers' | 'nids'> {
    const isGiven = new Set(events.map((event) => event.eventId));
    const nids = new Map<string, number>();
    const outliers = new Map<number, RoomEvent>();
    const add = (event: RoomEvent, nid: number): void => {
      if (nids.has(event.eventId)) return;
      nids.set(event.eventId, nid);
      if (!isGiven.has(event.eventId)) outliers.set(nid, event);
    };
    const aliases = new Map<number, number>();
    for (const [, state] of told) {
      for (const [nid, event] of state.outliers) {
        add(event, nid);
        aliases.set(nid, nids.get(event.eventId)!);
      }
    }
    for (const event of chains) if (!nids.has(event.eventId)) add(event, this.positions.nextId('event_nid'));
    const states = told.map(([eventId, { state }]) => [eventId, new Map([...state].map(([key, nid]) => [key, aliases.get(nid) ?? nid]))] as const);
    return { told: new Map(states), outliers, nids };
  }
}

/** The events that the wanted ones lead to. */
function connected(wanted: readonly string[], events: readonly RoomEvent[]): Map<string, RoomEvent> {
  const given = new Map(events.map((event) => [event.eventId, event]));
  const found = new Map<string, RoomEvent>();
  const open = [...wanted];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const event = given.get(id);
    if (!event || found.has(id)) continue;
    found.set(id, event);
    open.push(...event.pdu.prev_events);
  }
  return found;
}
