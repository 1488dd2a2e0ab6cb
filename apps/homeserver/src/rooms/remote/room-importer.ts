import { Injectable } from '@nestjs/common';
import {
  AuthError, checkAuth, PduFormatError, readPdu, stateKeyOf, type RoomEvent, type RoomVersionRules, type StateReader,
} from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import type { RoomDraft } from '../pipeline/room-draft.js';
import { RoomRegistry } from '../room-registry.js';
import { RoomsStore } from '../rooms.store.js';
import { HomeSignatures } from '../state/home-signatures.js';
import type { StateEntry } from '../state/room-state.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus, type StoredEvent } from '../timeline/stored-event.js';
import { checkChain } from './check-chain.js';
import { PduVerifier } from './pdu-verifier.js';

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
}

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
  ) {}

  /**
   * To be called in the room's turn (`RoomArrivals`), and not for one in which this server takes part: the given
   * state takes the place of the one that is here.
   *
   * @throws MatrixError 502 when what the other server gave does not hold together
   */
  async import(given: RoomImport): Promise<void> {
    const { rules, roomId, event } = given;
    const state = readAll(given.state, rules, roomId);
    const signed = await this.verifier.signedOnes(unique([...readAll(given.authChain, rules, roomId), ...state]), rules);
    const chain = checkChain(signed, new Map(), rules, this.signatures.context(rules)).valid;
    const stateEvents = state.filter((item) => chain.has(item.eventId) && item.pdu.state_key !== undefined);
    const create = stateEvents.find((item) => item.pdu.type === 'm.room.create' && item.pdu.state_key === '');
    if (!create) throw MatrixError.unknown(502, 'The other server gave a room without a valid create event');
    if ((create.pdu.content['room_version'] ?? '1') !== rules.id) throw MatrixError.unknown(502, 'The other server gave a room of another version');

    const known = new Map((await this.events.byIds([...chain.keys(), event.eventId])).map((stored) => [stored.event.eventId, stored]));
    const nids = new Map<string, number>();
    // Older ones get lower numbers: should their place in the timeline be told later, a sync takes a descent for a gap.
    const oldestFirst = [...chain.values()].sort((a, b) => a.pdu.depth - b.pdu.depth);
    for (const { eventId } of [...oldestFirst, event]) nids.set(eventId, known.get(eventId)?.nid ?? this.positions.nextId('event_nid'));
    const entries = new Map<string, StateEntry>();
    for (const item of stateEvents) entries.set(stateKeyOf(item.pdu.type, item.pdu.state_key!), { nid: nids.get(item.eventId)!, event: item });
    this.#judge(event, entries, rules);
    await this.registry.entering(roomId, () => this.#store(given, chain, entries, nids, known));
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
    given: RoomImport, chain: ReadonlyMap<string, RoomEvent>, entries: Map<string, StateEntry>, nids: ReadonlyMap<string, number>,
    known: ReadonlyMap<string, StoredEvent>,
  ): Promise<void> {
    const { event, rules, roomId } = given;
    const held = await this.registry.find(roomId);
    const row = held ? undefined : await this.rooms.room(roomId);
    const room = held ?? this.registry.create(roomId, rules, row?.room_nid);
    const job = (draft: RoomDraft): void => {
      if (!held) draft.created = { version: rules.id };
      for (const item of chain.values()) if (!known.has(item.eventId)) draft.addOutlier(item, nids.get(item.eventId)!);
      const before = draft.snapshotOf(new Map([...entries].map(([key, entry]) => [key, entry.nid])));
      const nid = nids.get(event.eventId)!;
      const added = draft.add({
        event, nid, before, status: EventStatus.accepted, isOwn: given.destinations.length > 0, destinations: given.destinations,
        wasOutlier: known.has(event.eventId),
        txn: typeof event.pdu.txn === 'string' ? event.pdu.txn : null,
      });
      const after = draft.after(before, event, nid);
      draft.afters.set(event.eventId, after);
      const state = new Map(entries);
      if (event.pdu.state_key !== undefined) state.set(stateKeyOf(event.pdu.type, event.pdu.state_key), { nid, event });
      draft.replaceState(state, after, added);
      draft.extremities = [{ nid, eventId: event.eventId, depth: event.pdu.depth, after }];
      for (const id of event.pdu.prev_events) {
        const prev = known.get(id);
        if (!prev || prev.status === EventStatus.outlier) draft.missing.push({ eventId: id, child: added });
      }
    };
    await (held ? room.run(job) : this.registry.enter(room, job));
  }
}

/** The well-formed ones among received events of the room. */
export function readAll(values: readonly unknown[], rules: RoomVersionRules, roomId: string): RoomEvent[] {
  const events: RoomEvent[] = [];
  for (const value of values) {
    try {
      const event = readPdu(value, rules);
      if (event.roomId === roomId) events.push(event);
    } catch (error) {
      if (!(error instanceof PduFormatError)) throw error;
    }
  }
  return events;
}

function unique(events: readonly RoomEvent[]): RoomEvent[] {
  return [...new Map(events.map((event) => [event.eventId, event])).values()];
}
