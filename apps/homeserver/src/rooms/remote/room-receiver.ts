import { Injectable } from '@nestjs/common';
import { PduFormatError, readPdu, type RoomEvent } from '#federation';
import { exceedsSize } from '#json';
import { MatrixError } from '../../errors/matrix-error.js';
import { PduReceiver, type PduResult, type PduResults } from '../../federation/pdu-receiver.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';
import { Log } from '../../observability/log.js';
import { isUnavailable } from '../../storage/database-errors.js';
import { AcceptEvent, type Acceptance } from '../pipeline/accept-event.js';
import { DroppedEvent } from '../pipeline/dropped-event.js';
import { RoomEnds } from '../pipeline/room-ends.js';
import { ServerVisibility } from '../history/server-visibility.js';
import { serversByAge } from '../history/servers-by-age.js';
import { PolicyServers } from '../policy/policy-servers.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus } from '../timeline/stored-event.js';
import { AbsentRooms } from './absent-rooms.js';
import { AskBudget } from './ask-budget.js';
import { InviteRetractions } from './invite-retractions.js';
import { MissingEvents, type ToldState } from './missing-events.js';
import { NameDoor } from './name-door.js';
import { Outliers } from './outliers.js';
import { PduVerifier } from './pdu-verifier.js';
import { RoomArrivals } from './room-arrivals.js';
import { isAllowedByAcl } from './server-acl.js';

/** Other servers that are asked for events that the sender of an event lacks. */
const MAX_OTHERS = 3;

/** When events are welcome again whose room is still on its way here. */
const RETRY_MS = 5_000;

/** An event with what nothing covers (`unsigned`). */
const MAX_PDU_CHARACTERS = 2 * 65_536;
/** Events that are read before others have a turn. */
const PDUS_AT_ONCE = 8;

/** States that are asked for on the way to one event. */
const MAX_STATES = 10;

/** Takes the events that other servers send (Server-Server, "PDUs"). */
@Injectable()
export class RoomReceiver extends PduReceiver {
  /**
   * Receiving is serial per room and origin, apart from the room's own queue: an origin that answers slowly, or never, when it is
   * asked for what its events lack holds up itself, and neither local users nor other servers.
   */
  readonly #origins = new KeyedQueue();
  /** Storing is serial per room, so that what was read of an event's relations is true until it is stored. */
  readonly #rooms = new KeyedQueue();

  constructor(
    private readonly registry: RoomRegistry,
    private readonly verifier: PduVerifier,
    private readonly missing: MissingEvents,
    private readonly events: EventsStore,
    private readonly outliers: Outliers,
    private readonly acceptEvent: AcceptEvent,
    private readonly arrivals: RoomArrivals,
    private readonly retractions: InviteRetractions,
    private readonly absent: AbsentRooms,
    private readonly door: NameDoor,
    private readonly policies: PolicyServers,
    private readonly budget: AskBudget,
    private readonly ends: RoomEnds,
    private readonly visibility: ServerVisibility,
    private readonly log: Log,
  ) {
    super();
  }

  override async receive(origin: string, pdus: readonly unknown[]): Promise<PduResults> {
    const results: PduResults = {};
    const byRoom = new Map<string, unknown[]>();
    for (const pdu of pdus) {
      const roomId = roomIdOf(pdu);
      // What is far too large has no id here: that takes a hash of all of it.
      if (roomId === undefined || exceedsSize(pdu, MAX_PDU_CHARACTERS)) continue;
      const list = byRoom.get(roomId);
      if (list) list.push(pdu);
      else byRoom.set(roomId, [pdu]);
    }
    await Promise.all([...byRoom].map(async ([roomId, list]) => Object.assign(results, await this.#receiveInRoom(origin, roomId, list))));
    return results;
  }

  async #receiveInRoom(origin: string, roomId: string, pdus: readonly unknown[]): Promise<PduResults> {
    const room = await this.#residentRoom(roomId);
    if (room) return this.#receiveIn(origin, room, pdus, {});
    this.absent.tell(origin, roomId, pdus);
    const ended = await this.retractions.receive(origin, roomId, pdus);
    const left = await this.#leftRoom(origin, roomId);
    return left ? this.#receiveIn(origin, left, pdus, ended) : ended;
  }

  /**
   * A portable room in which nobody of this server is any more, as this server sees it. Others may see it otherwise, by events that
   * cross, until they have the same: what those send that are, or were, in the room is taken as before (protocol §3, "Delivery").
   */
  async #leftRoom(origin: string, roomId: string): Promise<Room | undefined> {
    const room = await this.registry.find(roomId);
    return room?.rules.portable && (await this.visibility.isOrWasIn(room, origin)) ? room : undefined;
  }

  /** @param done what was taken otherwise, by event id */
  async #receiveIn(origin: string, room: Room, pdus: readonly unknown[], done: PduResults): Promise<PduResults> {
    const isDenied = !isAllowedByAcl(room.state, origin);
    const results: PduResults = { ...done };
    const events: RoomEvent[] = [];
    for (const [i, pdu] of pdus.entries()) {
      if (i % PDUS_AT_ONCE === PDUS_AT_ONCE - 1) await new Promise(setImmediate);
      let event: RoomEvent;
      try {
        event = readPdu(pdu, room.rules);
      } catch (error) {
        if (!(error instanceof PduFormatError)) throw error;
        continue;
      }
      if (done[event.eventId] && done[event.eventId]!.error === undefined) continue;
      results[event.eventId] = isDenied ? { error: `${origin} is not allowed in this room` } : {};
      if (!isDenied) events.push(event);
    }
    await this.#inOriginsLane(origin, room, async () => Object.assign(results, await this.#receiveInOrder(origin, room, events)));
    return results;
  }

  /** The room if this server takes part in it. Events of one that is on its way here wait for it: nobody would send them again. */
  async #residentRoom(roomId: string): Promise<Room | undefined> {
    let room = await this.registry.find(roomId);
    if (!room?.state.isResident) {
      if (!(await this.arrivals.settled(roomId))) throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'A room of this transaction is still on its way here', { retry_after_ms: RETRY_MS });
      room = await this.registry.find(roomId);
    }
    return room?.state.isResident ? room : undefined;
  }

  /** Stores an event that this server fetched or was handed outside of a transaction, with what it refers to. */
  async receiveEvent(origin: string, room: Room, event: RoomEvent): Promise<PduResult> {
    return this.#inOriginsLane(origin, room, async () => (await this.#receiveInOrder(origin, room, [event]))[event.eventId] ?? {});
  }

  #inOriginsLane<T>(origin: string, room: Room, work: () => Promise<T>): Promise<T> {
    return this.#origins.run(`${room.id} ${origin}`, work);
  }

  /** Events of one transaction, in its order. */
  async #receiveInOrder(origin: string, room: Room, given: readonly RoomEvent[]): Promise<PduResults> {
    const results: PduResults = {};
    const events = await this.door.prepare(origin, room, given);
    const signed = await Promise.all(events.map((event) => this.verifier.isSigned(event, room.rules, room.state.get('m.room.member', event.pdu.sender))));
    let open = events.filter((event, i) => {
      if (!signed[i]) results[event.eventId] = { error: 'the signature is missing or wrong' };
      else if (!isAllowedByAcl(room.state, speakerOf(room, event, origin))) results[event.eventId] = { error: 'the home is not allowed in this room' };
      else return true;
      return false;
    });
    while (open.length > 0) {
      const batch = await this.policies.prepare(room, open);
      const complete = await this.#rooms.run(room.id, () => this.#receiveComplete(origin, room, batch, results));
      const incomplete = batch[complete];
      if (incomplete) results[incomplete.eventId] = await this.#receiveIncomplete(origin, room, incomplete);
      open = open.slice(incomplete ? complete + 1 : complete);
    }
    return results;
  }

  /**
   * Takes events up to the first one that lacks something; returns how many these were. What they refer to is read in one
   * query, and they go into the room's queue together and share a commit.
   */
  async #receiveComplete(origin: string, room: Room, events: readonly RoomEvent[], results: PduResults): Promise<number> {
    const ids = new Set(events.flatMap((event) => [event.eventId, ...event.pdu.prev_events, ...event.pdu.auth_events]));
    const related = new Map((await this.events.byIds(room.id, [...ids])).map((stored) => [stored.event.eventId, stored]));
    const taken = new Set<string>();
    const isInGraph = (id: string) => taken.has(id) || (related.get(id)?.status ?? EventStatus.outlier) !== EventStatus.outlier;
    const waiting: Promise<unknown>[] = [];
    for (const event of events) {
      const { eventId, pdu } = event;
      if (!pdu.prev_events.every(isInGraph) || !pdu.auth_events.every((id) => taken.has(id) || related.has(id))) break;
      taken.add(eventId);
      waiting.push(
        room.run((draft) => this.acceptEvent.accept(draft, { event, isOwn: false, from: origin, related }))
          .then((outcome) => (results[eventId] = resultOf(room, outcome)), (error) => (results[eventId] = this.#failure(room, event, error))),
      );
    }
    await Promise.all(waiting);
    return waiting.length;
  }

  /** @param asksOthers whether other servers than the origin are asked for what is missing */
  async #receiveIncomplete(origin: string, room: Room, event: RoomEvent, asksOthers = room.rules.portable): Promise<PduResult> {
    try {
      const unknown = await this.missing.unknown(room, event.pdu.prev_events);
      let stillMissing = unknown.length > 0 ? await this.#fetchBefore(origin, room, event) : [];
      if (stillMissing.length > 0 && asksOthers) stillMissing = await this.#fetchElsewhere(origin, room, event, stillMissing);
      const told = stillMissing.length > 0 ? await this.#toldState(origin, room, event) : undefined;
      return resultOf(room, await this.#accept(origin, room, event, told));
    } catch (error) {
      return this.#failure(room, event, error);
    }
  }

  /** Whoever tells of many states makes as many ends: nothing is asked for what would be one too many. */
  async #toldState(origin: string, room: Room, event: RoomEvent): Promise<ToldState> {
    await this.ends.assertRoom({ room, extremities: room.extremities, missing: [], find: () => undefined }, event);
    if (this.budget.take(origin, 1) > 0) return this.missing.stateBeforeOrAfterMissing(room, event, origin);
    throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many events that follow what nobody has', { retry_after_ms: RETRY_MS });
  }

  #failure(room: Room, event: RoomEvent, error: unknown): PduResult {
    // What comes of other servers' silence, of a full queue or of the database says nothing about the event.
    if (isUnavailable(error)) throw error;
    if (error instanceof MatrixError) return { error: error.message, later: error.status >= 500 || error.status === 429 };
    this.log.error('receiving an event failed', error, { roomId: room.id, eventId: event.eventId });
    return { error: 'the event could not be processed', later: true };
  }

  /** Fetches and accepts what lies between; returns the prev_events that are missing after that. */
  async #fetchBefore(origin: string, room: Room, event: RoomEvent): Promise<string[]> {
    const between = await this.missing.before(room, event, origin).catch((error: unknown) => {
      this.log.debug('get_missing_events failed', { origin, roomId: room.id, reason: String(error) });
      return [];
    });
    let states = 0;
    for (const item of between) {
      if (!isAllowedByAcl(room.state, speakerOf(room, item, origin))) continue;
      const gap = await this.missing.unknown(room, item.pdu.prev_events);
      // Each is a question, and whoever gives many loose ends makes many.
      if (gap.length > 0 && ++states > MAX_STATES) continue;
      const told = gap.length > 0 ? await this.#toldState(origin, room, item) : undefined;
      try {
        await this.#accept(origin, room, item, told);
      } catch (error) {
        // Others may have a good copy.
        if (!(error instanceof DroppedEvent)) throw error;
      }
    }
    return this.missing.unknown(room, event.pdu.prev_events);
  }

  /**
   * Asks the servers that have been in the room for long. A member's new home names events that came before it, and has none of
   * them itself. Returns which of the event's prev_events are missing after that.
   */
  async #fetchElsewhere(origin: string, room: Room, event: RoomEvent, eventIds: readonly string[]): Promise<string[]> {
    let wanted = await this.missing.recent(room, eventIds);
    if (wanted.length === 0) return [...eventIds];
    for (const server of serversByAge(room).filter((name) => name !== origin).slice(0, MAX_OTHERS)) {
      const asked = wanted.slice(0, this.budget.take(origin, wanted.length));
      for (const found of await this.missing.single(room, asked, server)) {
        if (isAllowedByAcl(room.state, speakerOf(room, found, server))) await this.#receiveIncomplete(server, room, found, false);
      }
      wanted = await this.missing.unknown(room, wanted);
      if (wanted.length === 0) break;
    }
    return this.missing.unknown(room, event.pdu.prev_events);
  }

  async #accept(origin: string, room: Room, given: RoomEvent, told: ToldState | undefined): Promise<Acceptance> {
    const [event = given] = await this.policies.prepare(room, await this.door.prepare(origin, room, [given]));
    const authEvents = await this.#missingAuthEvents(origin, room, event, told);
    return this.#rooms.run(room.id, () => room.run(async (draft) => {
      const { aliases, rejected, unsigned } = await this.outliers.add(draft, new Map([...(told?.outliers ?? []), ...authEvents]));
      const left = new Set(unsigned.values());
      if (told && [...told.state.values()].some((nid) => left.has(nid))) throw new DroppedEvent('the state before the event was told with unsigned events');
      const before = told && new Map([...told.state].filter(([, nid]) => !rejected.has(nid)).map(([key, nid]) => [key, aliases.get(nid) ?? nid]));
      return this.acceptEvent.accept(draft, { event, isOwn: false, from: origin, ...(before ? { before } : {}) });
    }));
  }

  /** Auth events that are not here: with the whole auth chain, because they are judged too. */
  async #missingAuthEvents(origin: string, room: Room, event: RoomEvent, told: ToldState | undefined): Promise<Map<number, RoomEvent>> {
    const toldIds = new Set([...(told?.outliers.values() ?? [])].map((item) => item.eventId));
    const held = new Set((await this.events.byIds(room.id, event.pdu.auth_events)).map((stored) => stored.event.eventId));
    if (event.pdu.auth_events.every((id) => held.has(id) || toldIds.has(id))) return new Map();
    const chain = await this.missing.authChain(room, event.eventId, origin);
    const known = new Set((await this.events.byIds(room.id, chain.map((item) => item.eventId))).map((stored) => stored.event.eventId));
    return new Map(chain.filter((item) => !known.has(item.eventId) && !toldIds.has(item.eventId)).map((item) => [this.acceptEvent.newNid(), item]));
  }
}

function resultOf(room: Room, { held, reason, twin }: Acceptance): PduResult {
  if (held === EventStatus.accepted) return { taken: true };
  if (held === EventStatus.softFailed) return twin === null ? { softFailed: reason ?? 'it is not allowed beside what came before it' } : { twin };
  const why = reason ?? 'it was rejected before';
  return room.rules.portable ? { error: why } : { rejected: why };
}

/** Who the room's list of denied servers has to allow: in portable rooms the home that acts, else who sends. */
function speakerOf(room: Room, { pdu }: RoomEvent, origin: string): string {
  return room.rules.portable ? (pdu.home ?? origin) : origin;
}

/** The room of an unchecked PDU; the create event of versions whose room id is its hash comes only with a join. */
function roomIdOf(pdu: unknown): string | undefined {
  const roomId = (pdu as { room_id?: unknown } | null)?.room_id;
  return typeof roomId === 'string' && roomId.length <= 255 ? roomId : undefined;
}
