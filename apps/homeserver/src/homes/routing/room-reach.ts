import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { PduOutbox } from '../../federation/outbox/pdu-outbox.js';
import type { ReplicaAnswers } from '../../federation/outbox/replica-acknowledgements.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { RoomRegistry } from '../../rooms/room-registry.js';

/** Replicas that are told of; as many as clients read. */
const MAX_REPLICAS = 1_000;

/** Answer of `GET …/rooms/{roomId}/reach`. */
export interface RoomReachBody {
  /** The room's forward extremities here. */
  readonly frontier: readonly string[];
  /** When this server and the replica last understood each other; null for never. */
  readonly replicas: Readonly<Record<string, { readonly last_contact_ts: number | null }>>;
  /**
   * What other servers have said by now of an event that was sent here, refusals that came late included; absent where this server
   * remembers nothing, as after a restart.
   */
  readonly event?: ReplicaAnswers;
}

/** Which other replicas of a room this server reaches (protocol §5 rule 6). */
@Injectable()
export class RoomReach {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly destinations: Destinations,
    private readonly outbox: PduOutbox,
  ) {}

  /** @throws MatrixError 403 `M_FORBIDDEN` unless the user is joined to the room */
  async of(userId: string, roomId: string, eventId?: string): Promise<RoomReachBody> {
    const room = await this.registry.find(roomId);
    if (!room?.state.joined.has(userId)) throw MatrixError.forbidden('You are not in this room');
    const replicas = room.state.otherServers.slice(0, MAX_REPLICAS).map((server) => [server, { last_contact_ts: this.#contact(server) }]);
    return {
      frontier: room.extremities.map((end) => end.eventId), replicas: Object.fromEntries(replicas),
      ...(eventId !== undefined && this.outbox.remembers(eventId) && { event: this.outbox.answers(eventId) }),
    };
  }

  /** A server that has failed since is not reached, whenever it was before. */
  #contact(server: string): number | null {
    return this.destinations.failures(server) > 0 ? null : this.destinations.lastContact(server) || null;
  }
}
