import { Injectable } from '@nestjs/common';
import type { JsonObject } from '#federation';
import { Profiles } from '../../accounts/profiles.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { Clock } from '../../observability/clock.js';
import { EventSender } from '../pipeline/event-sender.js';
import { EventSigners } from '../pipeline/event-signers.js';
import { type ArrivalTurn, RoomArrivals } from '../remote/room-arrivals.js';
import { RoomReceiver } from '../remote/room-receiver.js';
import { toldStrippedState } from '../remote/told-stripped-state.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { memberContent } from './member-content.js';
import { MemberHandshake, type MemberDraft, type RemoteMembership } from './member-handshake.js';
import { OutsideMemberships } from './outside-memberships.js';
import { RoomServers } from './room-servers.js';
import { shownProfile } from './shown-profile.js';

/** Servers that are kept to take the knock back through. */
const MAX_SERVERS = 20;

/** Knocks at rooms for users of this server, here or through another server (Server-Server, "Knocking upon a Room"). */
@Injectable()
export class Knocker {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly signers: EventSigners,
    private readonly sender: EventSender,
    private readonly profiles: Profiles,
    private readonly arrivals: RoomArrivals,
    private readonly handshake: MemberHandshake,
    private readonly federation: FederationClient,
    private readonly receiver: RoomReceiver,
    private readonly outside: OutsideMemberships,
    private readonly servers: RoomServers,
    private readonly clock: Clock,
  ) {}

  /**
   * Resolves when the knock is stored here.
   *
   * @throws MatrixError 403 `M_FORBIDDEN` for who is in the room, invited or banned, and where nobody can knock; 404 `M_NOT_FOUND` when
   *   there is nobody to ask; 502 when nobody answers
   */
  async knock({ roomId, userId, via, content }: RemoteMembership): Promise<void> {
    const shown = { ...shownProfile((await this.profiles.get(userId)) as JsonObject), ...content };
    if (await this.#knockIfHere(roomId, userId, shown)) return;
    const servers = await this.servers.of(roomId, userId, via);
    await this.handshake.withAny(servers, async (server) => {
      const template = await this.handshake.template(server, 'knock', roomId, userId);
      // In the room's turn: what becomes of the knock may come before the answer to it.
      await this.arrivals.run(roomId, async (turn) => {
        if (await this.#knockIfHere(roomId, userId, shown)) return;
        await this.#knockThrough(server, template, { roomId, userId, content: shown, via: [...new Set([server, ...servers])] }, turn);
      });
    });
  }

  async #knockIfHere(roomId: string, userId: string, content: JsonObject): Promise<boolean> {
    const room = await this.registry.find(roomId);
    if (!room?.state.isResident) return false;
    await this.#knockHere(room, userId, content);
    return true;
  }

  async #knockHere(room: Room, userId: string, extra: JsonObject): Promise<void> {
    const signer = await this.signers.of(userId, room.rules);
    await room.run((draft) => {
      const content = memberContent(draft, userId, userId, 'knock', signer.record, extra);
      this.sender.appendTo(draft, { sender: userId, type: 'm.room.member', stateKey: userId, content, ts: this.clock.now() }, signer);
    });
  }

  async #knockThrough(server: string, template: MemberDraft, request: RemoteMembership, turn: ArrivalTurn): Promise<void> {
    const { roomId, userId, via } = request;
    if (!template.rules.knocking) throw MatrixError.forbidden('Rooms of this version cannot be knocked at');
    const event = await this.handshake.sign(template, { ...request, membership: 'knock' });
    const answer = await turn.waitFor(this.federation.request<{ knock_room_state?: unknown }>({
      destination: server, method: 'PUT', path: federationPath`/_matrix/federation/v1/send_knock/${roomId}/${event.eventId}`, body: event.json, ignoreBackoff: true,
    }));
    const held = await this.registry.find(roomId);
    if (held?.state.isResident) {
      await this.receiver.receiveEvent(server, held, event);
      return;
    }
    const state = Array.isArray(answer.knock_room_state) ? (answer.knock_room_state as unknown[]) : [];
    await this.outside.record({
      roomId, rules: template.rules, userId, membership: 'knock', event, sender: userId,
      strippedState: toldStrippedState(state, template.rules, event), via: via.slice(0, MAX_SERVERS),
    });
  }
}
