import { Injectable } from '@nestjs/common';
import type { JsonObject } from '#federation';
import { Profiles } from '../../accounts/profiles.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { EventSender } from '../pipeline/event-sender.js';
import { EventSigners } from '../pipeline/event-signers.js';
import { RoomArrivals } from '../remote/room-arrivals.js';
import { RoomRegistry } from '../room-registry.js';
import { RoomSuccessions } from '../upgrades/room-successions.js';
import type { Room } from '../room.js';
import { GuestAccess } from './guest-access.js';
import { memberContent } from './member-content.js';
import { RemoteJoiner } from './remote-joiner.js';
import { RestrictedJoins } from './restricted-joins.js';
import { RoomServers } from './room-servers.js';
import { shownProfile } from './shown-profile.js';

export interface JoinRequest {
  readonly roomId: string;
  readonly userId: string;
  /** Servers that may be in the room (`via`). */
  readonly via: readonly string[];
  /** `reason` and other members of the content. */
  readonly content: JsonObject;
}

/** Joins users of this server to rooms, here or through another server. */
@Injectable()
export class Joiner {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly signers: EventSigners,
    private readonly sender: EventSender,
    private readonly restricted: RestrictedJoins,
    private readonly arrivals: RoomArrivals,
    private readonly remote: RemoteJoiner,
    private readonly servers: RoomServers,
    private readonly profiles: Profiles,
    private readonly guests: GuestAccess,
    private readonly successions: RoomSuccessions,
    private readonly clock: Clock,
  ) {}

  /** Resolves when the join is stored here; nothing happens when the user is in the room already. Where the room replaces another one his settings of that come along. */
  async join(request: JoinRequest): Promise<void> {
    await this.#join(request);
    await this.successions.joined(request.userId, request.roomId);
  }

  async #join(request: JoinRequest): Promise<void> {
    const profile = shownProfile((await this.profiles.get(request.userId)) as JsonObject);
    const complete = { ...request, content: { ...profile, ...request.content } };
    if (await this.#joinIfHere(complete)) return;
    await this.remote.join({ ...complete, via: await this.servers.of(request.roomId, request.userId, request.via) }, (work) => this.arrivals.run(request.roomId, async (turn) => {
      // Somebody else may have brought the room here meanwhile.
      if (!(await this.#joinIfHere(complete))) await work(turn);
    }));
    await this.guests.assertMayStay(request.roomId, request.userId);
  }

  /** @returns false when another server is needed: to get the room from, or to let the user in */
  async #joinIfHere({ roomId, userId, content }: JoinRequest): Promise<boolean> {
    const room = await this.registry.find(roomId);
    if (!room?.state.isResident) return false;
    await this.guests.assertMayJoin(room, userId);
    try {
      await this.#joinHere(room, userId, content);
      return true;
    } catch (error) {
      // Another server in the room may know more, or have users who may invite.
      const isElsewhere = error instanceof MatrixError && ['M_UNABLE_TO_AUTHORISE_JOIN', 'M_UNABLE_TO_GRANT_JOIN'].includes(error.errcode);
      if (!isElsewhere || room.state.otherServers.length === 0) throw isElsewhere ? MatrixError.forbidden((error as Error).message) : error;
      return false;
    }
  }

  async #joinHere(room: Room, userId: string, extra: JsonObject): Promise<void> {
    const signer = await this.signers.of(userId, room.rules);
    const authoriser = await this.restricted.authoriser(room, userId);
    const cosigner = authoriser && room.rules.portable ? await this.signers.of(authoriser, room.rules) : undefined;
    await room.run((draft) => {
      if (draft.get('m.room.member', userId)?.pdu.content['membership'] === 'join') return;
      const content = memberContent(draft, userId, userId, 'join', signer.record, extra, { authoriser, authorisedHome: cosigner?.name });
      this.sender.appendTo(
        draft,
        { sender: userId, type: 'm.room.member', stateKey: userId, content, ts: this.clock.now(), ...(cosigner ? { cosigner } : {}) },
        signer,
      );
    });
  }
}
