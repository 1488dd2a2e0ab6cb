import { Injectable } from '@nestjs/common';
import { MAX_STANDING_EVENTS, powerLevelsOf, STANDS_TYPE, type JsonObject, type RoomEvent } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { isUniqueViolation } from '../../storage/database-errors.js';
import { SentRelations } from '../relations/sent-relations.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { RoomRegistry } from '../room-registry.js';
import { HomeSignatures } from '../state/home-signatures.js';
import { EventsStore } from '../timeline/events.store.js';
import { buildLocalEvent, isSameState, standingIds, type LocalEvent } from './build-event.js';
import { EventSigners, type EventSigner } from './event-signers.js';
import { Redactions } from './redactions.js';
import { bytesOf } from '../state/state-entry.js';
import type { RoomDraft } from './room-draft.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Characters of a room's state up to which people here may add to it. */
const MAX_STATE_BYTES = 16 * 1024 * 1024;
const UNBOUNDED_STATE = new Set(['m.room.create', 'm.room.member', 'm.room.power_levels', 'm.room.join_rules', 'm.room.history_visibility', 'm.room.server_acl', STANDS_TYPE]);

/** What a user of this server wants to send. */
export interface SendRequest {
  readonly roomId: string;
  readonly sender: string;
  readonly type: string;
  /** Present for state events. */
  readonly stateKey?: string;
  readonly content: JsonObject;
  readonly redacts?: string;
  /** Once-only key (protocol §6): a second request with it is answered with the first one's event. */
  readonly txn?: string | null;
  readonly deviceId?: string | null;
  readonly clientTxn?: string | null;
  /** Milliseconds since the Unix epoch; now when absent. */
  readonly ts?: number;
}

export interface SentEvent {
  readonly eventId: string;
  /** Servers that the event goes to. */
  readonly destinations: readonly string[];
  /** The other home that made the event, for a request that had arrived there already. */
  readonly madeBy?: string;
}

/** The way of an event of a user of this server into a room. */
@Injectable()
export class EventSender {
  readonly #byTxn = boundedCache<string, Promise<SentEvent>>(20_000);

  constructor(
    private readonly registry: RoomRegistry,
    private readonly signers: EventSigners,
    private readonly signatures: HomeSignatures,
    private readonly events: EventsStore,
    private readonly redactions: Redactions,
    private readonly relations: SentRelations,
    private readonly positions: StreamPositions,
    private readonly clock: Clock,
  ) {}

  /**
   * Sends one event; resolves when it is stored.
   *
   * @throws MatrixError 403 `M_FORBIDDEN`, 404 `M_NOT_FOUND`, 413 `M_TOO_LARGE`, 400 `M_BAD_JSON`
   */
  send(request: SendRequest): Promise<SentEvent> {
    if (!request.txn) return this.#send(request);
    const key = `${request.roomId} ${request.sender} ${request.txn}`;
    let sent = this.#byTxn.get(key);
    if (!sent) {
      sent = this.#send(request);
      this.#byTxn.set(key, sent);
      sent.catch(() => this.#byTxn.delete(key));
    }
    return sent;
  }

  async #send(request: SendRequest): Promise<SentEvent> {
    const room = await this.registry.find(request.roomId);
    if (!room) throw MatrixError.forbidden('You are not in this room');
    const signer = await this.signers.of(request.sender, room.rules);
    const event: LocalEvent = { ...request, ts: request.ts ?? this.clock.now() };
    try {
      const append = (): Promise<SentEvent> => room.run((draft) => this.appendTo(draft, event, signer, request));
      // Who is not in the room learns nothing of what is said there.
      if (request.redacts === undefined) return await (room.state.joined.has(request.sender) ? this.relations.run(request, room.nid, append) : append());
      return await room.run((draft) => this.#redact(draft, event, signer, request));
    } catch (error) {
      if (!request.txn || !isUniqueViolation(error, 'events_txn')) throw error;
      const [first] = await this.events.byTxn(request.roomId, request.sender, [request.txn]);
      if (!first) throw error;
      const { home } = first.event.pdu;
      const madeBy = home === undefined || home === room.state.serverName ? {} : { madeBy: home };
      return { eventId: first.event.eventId, destinations: room.state.otherServers, ...madeBy };
    }
  }

  /** Builds, signs, judges and appends an event inside the room's queue; state that is there already is not sent again. */
  appendTo(draft: RoomDraft, event: LocalEvent, signer: EventSigner, origin: Partial<SendRequest> = {}): SentEvent {
    const { room } = draft;
    if (event.stateKey !== undefined && !event.isRepeat) {
      const current = draft.entry(event.type, event.stateKey);
      if (current && isSameState(current, event)) return { eventId: current.event.eventId, destinations: [] };
    }
    const context = this.signatures.context(room.rules);
    const built = buildLocalEvent(draft, this.#withStands(draft, event, signer), signer, context);
    boundState(draft, built);
    if (room.rules.portable) this.signatures.trust(built, signer.name, signer.key.keyId, signer.key.publicKey);
    const destinations = draft.destinations(built);
    draft.append({
      event: built,
      nid: this.positions.nextId('event_nid'),
      isOwn: true,
      txn: event.txn ?? null,
      deviceId: origin.deviceId ?? null,
      clientTxn: origin.clientTxn ?? null,
      destinations,
    });
    return { eventId: built.eventId, destinations };
  }

  /** More than one event can cite are cited by events that stand before it. */
  #withStands(draft: RoomDraft, event: LocalEvent, signer: EventSigner): LocalEvent {
    const ids = event.stands ? [] : standingIds(draft, event);
    if (ids.length <= MAX_STANDING_EVENTS) return event;
    const stands: string[] = [];
    for (let at = 0; at < ids.length; at += MAX_STANDING_EVENTS) {
      const part: LocalEvent = { sender: event.sender, type: STANDS_TYPE, content: {}, ts: event.ts, stands: ids.slice(at, at + MAX_STANDING_EVENTS) };
      stands.push(this.appendTo(draft, part, signer).eventId);
    }
    return { ...event, stands };
  }

  async #redact(draft: RoomDraft, event: LocalEvent, signer: EventSigner, request: SendRequest): Promise<SentEvent> {
    await this.#mayRedactOrThrow(draft, request.sender, request.redacts!);
    const sent = this.appendTo(draft, event, signer, request);
    await this.redactions.apply(draft, draft.find(sent.eventId)!, draft.snapshot);
    return sent;
  }

  /**
   * Most room versions always allow redactions by their auth rules; whether they take effect is decided apart. Who has the level may
   * redact what has not arrived here yet.
   */
  async #mayRedactOrThrow(draft: RoomDraft, sender: string, targetId: string): Promise<void> {
    const levels = powerLevelsOf(draft, draft.room.rules);
    const mayAll = levels.user(sender) >= levels.redact;
    const target = await this.redactions.target(draft, targetId);
    if (!target && !(mayAll && (await this.events.elsewhere(draft.room.id, [targetId])).size === 0)) throw MatrixError.notFound('No such event in this room');
    if (target?.pdu.type === 'm.room.create') throw MatrixError.forbidden('The event that made the room cannot be redacted');
    if (!mayAll && target?.pdu.sender !== sender) throw MatrixError.forbidden('You may redact only your own events here');
  }
}

/**
 * What people here add to a room's state is bounded, since all of it has to go into an answer, and into memory. Who comes and goes, and the rules
 * of the room, are not: a full room must not become one that cannot be moderated.
 *
 * @throws MatrixError 413 M_TOO_LARGE
 */
function boundState(draft: RoomDraft, { pdu, json }: RoomEvent): void {
  if (pdu.state_key === undefined || UNBOUNDED_STATE.has(pdu.type)) return;
  const current = draft.entry(pdu.type, pdu.state_key);
  const replaced = current ? bytesOf(current) : 0;
  if (json.length > replaced && draft.room.state.textBytes + json.length - replaced > MAX_STATE_BYTES) {
    throw MatrixError.tooLarge(`The state of this room is larger than ${MAX_STATE_BYTES} bytes`);
  }
}
