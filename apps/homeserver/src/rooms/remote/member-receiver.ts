import { Injectable } from '@nestjs/common';
import { addSignature, isAuthorisedBy, PduFormatError, readPdu, serverNameOf, type RoomEvent } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { RestrictedJoins } from '../membership/restricted-joins.js';
import { AcceptEvent } from '../pipeline/accept-event.js';
import { EventSigners } from '../pipeline/event-signers.js';
import type { Room } from '../room.js';
import { membershipOf } from '../state/room-state.js';
import { shownState } from '../state/stripped-state.js';
import { SnapshotsStore } from '../state/snapshots.store.js';
import { StateResolver } from '../state/state-resolver.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus } from '../timeline/stored-event.js';
import { MemberTemplates } from './member-templates.js';
import { NameDoor } from './name-door.js';
import { PduVerifier } from './pdu-verifier.js';

/** What `/send_join` gives back. */
export interface JoinedRoom {
  readonly room: Room;
  readonly event: RoomEvent;
  /** State before the join. */
  readonly state: readonly RoomEvent[];
  readonly authChain: readonly RoomEvent[];
}

/** Takes membership events that other servers completed (Server-Server, `send_join`, `send_knock` and `send_leave`). */
@Injectable()
export class MemberReceiver {
  constructor(
    private readonly config: Config,
    private readonly templates: MemberTemplates,
    private readonly verifier: PduVerifier,
    private readonly signers: EventSigners,
    private readonly accounts: AccountDirectory,
    private readonly acceptEvent: AcceptEvent,
    private readonly restricted: RestrictedJoins,
    private readonly door: NameDoor,
    private readonly snapshots: SnapshotsStore,
    private readonly resolver: StateResolver,
    private readonly events: EventsStore,
  ) {}

  async join(origin: string, roomId: string, eventId: string, body: unknown): Promise<JoinedRoom> {
    const room = await this.templates.residentRoom(roomId, origin);
    const event = await this.#accept(origin, room, await this.#authorised(room, await this.#read(origin, room, eventId, body, 'join')));
    const [stored] = await this.events.byIds(room.id, [event.eventId]);
    const before = await this.snapshots.load(stored?.stateNid ?? room.snapshot.nid);
    const entries = await this.resolver.entries(room, before.toMap().values(), new Map());
    const state = [...entries.values()].map((entry) => entry.event);
    const known = new Map(state.map((item) => [item.eventId, item]));
    const chain = await this.events.authChain(room.id, [...state, event], known);
    chain.delete(event.eventId);
    return { room, event, state, authChain: [...chain.values()].map((item) => ('nid' in item ? item.event : item)) };
  }

  /** @returns what who knocks is shown of the room: events (`knock_room_state`) */
  async knock(origin: string, roomId: string, eventId: string, body: unknown): Promise<RoomEvent[]> {
    const room = await this.templates.residentRoom(roomId, origin);
    await this.#accept(origin, room, await this.#read(origin, room, eventId, body, 'knock'));
    return shownState(room.state);
  }

  async leave(origin: string, roomId: string, eventId: string, body: unknown): Promise<void> {
    const room = await this.templates.residentRoom(roomId, origin);
    await this.#accept(origin, room, await this.#read(origin, room, eventId, body, 'leave'));
  }

  async #read(origin: string, room: Room, eventId: string, body: unknown, membership: 'join' | 'leave' | 'knock'): Promise<RoomEvent> {
    // The hash is part of what is signed.
    const { type: given, hashes } = (body ?? {}) as { type?: unknown; hashes?: unknown };
    if (given !== undefined && hashes === undefined) throw MatrixError.forbidden('The event is not signed');
    let event: RoomEvent;
    try {
      event = readPdu(body, room.rules);
    } catch (error) {
      if (error instanceof PduFormatError) throw MatrixError.badJson(error.message);
      throw error;
    }
    const { type, sender, state_key: stateKey } = event.pdu;
    if (event.roomId !== room.id || event.eventId !== eventId) throw MatrixError.invalidParam('The event is not the one of the path');
    if (type !== 'm.room.member' || stateKey !== sender || membershipOf(event) !== membership) {
      throw MatrixError.badJson(`Not a member event by which its sender would ${membership}`);
    }
    const speaker = room.rules.portable ? event.pdu.home : serverNameOf(sender);
    if (speaker !== origin) throw MatrixError.forbidden(`${origin} cannot speak for ${sender}`);
    return event;
  }

  /**
   * Adds this server's signature, where one of its users authorises the join. The event need not be made from a template of this
   * server, and the state may have changed: that a condition of the restricted room is fulfilled, only this signature says.
   */
  async #authorised(room: Room, event: RoomEvent): Promise<RoomEvent> {
    const authoriser = event.pdu.content['join_authorised_via_users_server'];
    if (typeof authoriser !== 'string') return event;
    const isOurs = room.rules.portable ? this.accounts.has(authoriser) : serverNameOf(authoriser) === this.config.serverName;
    if (!isOurs) throw MatrixError.invalidParam('The authorising user is not on this server');
    if (room.rules.portable && !isAuthorisedBy(event, this.config.serverName)) throw MatrixError.invalidParam('Another home is to authorise the join');
    await this.restricted.authoriser(room, event.pdu.sender);
    const signer = await this.signers.of(authoriser, room.rules);
    return addSignature(event, room.rules, signer.name, signer.key);
  }

  /** @returns the event as it was taken, with this server's word for whoever comes in by it */
  async #accept(origin: string, room: Room, given: RoomEvent): Promise<RoomEvent> {
    const [event = given] = await this.door.prepare(origin, room, [given]);
    if (!(await this.verifier.isSigned(event, room.rules))) throw MatrixError.forbidden('The signature of the event is missing or wrong');
    const outcome = await room.run((draft) =>
      // This server sends the event on: the others do not know the new one yet.
      this.acceptEvent.accept(draft, { event, isOwn: true, destinations: draft.destinations(event).filter((server) => server !== origin) }),
    );
    // Sent before, perhaps in a transaction: what was decided then stands.
    const status = outcome.status === 'known' ? (await this.events.byId(room.id, event.eventId))?.status : outcome.status;
    if (status === EventStatus.rejected || status === EventStatus.softFailed) {
      throw MatrixError.forbidden(`Not allowed: ${outcome.reason ?? 'the rules of the room'}`);
    }
    return event;
  }
}
