import { Injectable } from '@nestjs/common';
import { canonicalJson, redactPdu, wirePdu, type RoomEvent } from '#federation';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { isAllowedByAcl } from '../remote/server-acl.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { SnapshotsStore } from '../state/snapshots.store.js';
import { StateResolver } from '../state/state-resolver.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus, type StoredEvent } from '../timeline/stored-event.js';
import { type EventTime, EventTimesStore, type TimeDirection } from './event-times.store.js';
import { ServerVisibility } from './server-visibility.js';
import { walkBack } from './walk-back.js';

/** Events that are looked at for one of a time that a server may see. */
const TIME_PAGE = 50;
const MAX_TIME_PAGES = 20;

export interface MissingEventsQuery {
  readonly latest: readonly string[];
  readonly earliest: readonly string[];
  readonly limit: number;
  readonly minDepth: number;
}

/** The state before an event. */
export interface StateBefore {
  readonly state: readonly RoomEvent[];
  /** Everything that the state's events refer to by their auth_events, and so on. */
  readonly authChain: readonly RoomEvent[];
}

/** What other servers ask about a room's past (Server-Server, "Retrieving events", "Backfilling and retrieving missing events"). */
@Injectable()
export class ServerHistory {
  constructor(
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly registry: RoomRegistry,
    private readonly events: EventsStore,
    private readonly snapshots: SnapshotsStore,
    private readonly resolver: StateResolver,
    private readonly visibility: ServerVisibility,
    private readonly times: EventTimesStore,
  ) {}

  /** @returns the JSON text of a transaction with one event; @throws 404 `M_NOT_FOUND`, 403 `M_FORBIDDEN` */
  async event(origin: string, eventId: string): Promise<string> {
    const roomId = await this.events.roomOf(eventId);
    if (roomId === undefined) throw MatrixError.notFound('Unknown event');
    const room = await this.#room(origin, roomId);
    const stored = await this.events.byId(roomId, eventId);
    if (!stored || stored.status === EventStatus.rejected) throw MatrixError.notFound('Unknown event');
    const [text] = await this.#texts(room, origin, [stored]);
    if (text === undefined) throw MatrixError.notFound('Unknown event');
    return this.#transaction([text]);
  }

  /** Events and those before them, newest first. @returns the JSON text of a transaction */
  async backfill(origin: string, roomId: string, from: readonly string[], limit: number): Promise<string> {
    const room = await this.#room(origin, roomId);
    return this.#transaction(await this.#texts(room, origin, await walkBack(this.events, { roomId, from, limit })));
  }

  /**
   * The event of a room that is nearest to a time, of those that the server may see.
   *
   * @throws 404 `M_NOT_FOUND` where there is none
   */
  async eventAt(origin: string, roomId: string, dir: TimeDirection, ts: number): Promise<EventTime> {
    const room = await this.#room(origin, roomId);
    let last: EventTime | undefined;
    for (let page = 0; page < MAX_TIME_PAGES; page++) {
      const near = await this.times.near(room.nid, dir, ts, TIME_PAGE, last);
      const showing = await this.visibility.of(room, origin, await this.events.byNids(near.map((one) => one.nid)));
      const found = near.find((one) => showing.get(one.eventId) === 'whole');
      if (found) return found;
      if (near.length < TIME_PAGE) break;
      last = near.at(-1);
    }
    throw MatrixError.notFound('There is no event of that time');
  }

  /** Events between others, oldest first. @returns JSON texts of PDUs */
  async missingEvents(origin: string, roomId: string, { latest, earliest, limit, minDepth }: MissingEventsQuery): Promise<string[]> {
    const room = await this.#room(origin, roomId);
    const starts = (await this.events.byIds(roomId, latest)).filter((item) => item.status !== EventStatus.outlier);
    const from = starts.flatMap((item) => item.event.pdu.prev_events);
    const found = await walkBack(this.events, { roomId, from, limit, minDepth, without: new Set([...earliest, ...latest]) });
    return this.#texts(room, origin, found.reverse());
  }

  /** @throws 404 `M_NOT_FOUND` where the state before the event is not known */
  async stateBefore(origin: string, roomId: string, eventId: string): Promise<StateBefore> {
    const room = await this.#room(origin, roomId);
    const stored = await this.#seen(room, origin, eventId);
    if (stored.status === EventStatus.outlier) throw MatrixError.notFound('The state at this event is not known');
    const snapshot = await this.snapshots.load(stored.stateNid);
    const entries = await this.resolver.entries(room, snapshot.toMap().values(), new Map());
    const state = [...entries.values()].map((entry) => entry.event);
    return { state, authChain: await this.#authChain(roomId, state) };
  }

  /** @throws 404 `M_NOT_FOUND` */
  async eventAuth(origin: string, roomId: string, eventId: string): Promise<readonly RoomEvent[]> {
    const room = await this.#room(origin, roomId);
    return this.#authChain(roomId, [(await this.#seen(room, origin, eventId)).event]);
  }

  async #authChain(roomId: string, events: readonly RoomEvent[]): Promise<RoomEvent[]> {
    const known = new Map(events.map((event) => [event.eventId, event]));
    const chain = [...(await this.events.authChain(roomId, events, known)).values()].map((item) => ('nid' in item ? item.event : item));
    const named = new Set(chain.flatMap((event) => event.pdu.auth_events));
    return chain.filter((event) => named.has(event.eventId));
  }

  /** The room, for a server that is in it or was. */
  async #room(origin: string, roomId: string): Promise<Room> {
    const room = await this.registry.get(roomId);
    if (!isAllowedByAcl(room.state, origin)) throw MatrixError.forbidden(`${origin} is not allowed in this room`);
    if (!(await this.visibility.isOrWasIn(room, origin))) throw MatrixError.forbidden(`${origin} is not in the room`);
    return room;
  }

  /** An event that the server may know of. */
  async #seen(room: Room, origin: string, eventId: string): Promise<StoredEvent> {
    const stored = await this.events.byId(room.id, eventId);
    if (!stored || stored.status === EventStatus.rejected) throw MatrixError.notFound('Unknown event');
    const showing = await this.visibility.of(room, origin, [stored]);
    if (showing.get(eventId) === 'none') throw MatrixError.forbidden(`${origin} was not in the room at this event`);
    return stored;
  }

  /** The events as the server may see them. */
  async #texts(room: Room, origin: string, stored: readonly StoredEvent[]): Promise<string[]> {
    const showing = await this.visibility.of(room, origin, stored);
    return stored.flatMap(({ event }) => {
      const how = showing.get(event.eventId);
      if (how === 'none') return [];
      // Without its version a room cannot be read, and everybody who is shown the room at all is shown this.
      return how === 'whole' || event.pdu.type === 'm.room.create' ? event.json : canonicalJson(redactPdu(wirePdu(event, room.rules), room.rules));
    });
  }

  #transaction(pdus: readonly string[]): string {
    return `{"origin":${JSON.stringify(this.config.serverName)},"origin_server_ts":${this.clock.now()},"pdus":[${pdus.join(',')}]}`;
  }
}
