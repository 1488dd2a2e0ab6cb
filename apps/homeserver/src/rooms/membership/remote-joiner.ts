import { Injectable } from '@nestjs/common';
import { readPdu, type RoomEvent, type RoomVersionRules } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { KeyRing } from '../../federation/keys/key-ring.js';
import { RemoteError } from '../../federation/outgoing/remote-error.js';
import type { ArrivalTurn } from '../remote/room-arrivals.js';
import { RoomImporter } from '../remote/room-importer.js';
import { RoomReceiver } from '../remote/room-receiver.js';
import { UnspreadEnds } from '../remote/unspread-ends.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { MemberHandshake, type MemberDraft, type RemoteMembership } from './member-handshake.js';

/** State of a room with many thousands of members. */
const MAX_JOIN_BYTES = 128 * 1024 * 1024;

interface SentJoin {
  readonly state?: unknown;
  readonly auth_chain?: unknown;
  readonly event?: unknown;
}

/** Joins rooms through other servers (Server-Server, "Joining Rooms"); in the room's turn (`RoomArrivals`). */
@Injectable()
export class RemoteJoiner {
  constructor(
    private readonly federation: FederationClient,
    private readonly handshake: MemberHandshake,
    private readonly registry: RoomRegistry,
    private readonly receiver: RoomReceiver,
    private readonly importer: RoomImporter,
    private readonly keyRing: KeyRing,
    private readonly unspread: UnspreadEnds,
  ) {}

  /**
   * @param inTurn runs what must be done by one at a time, or sees that it is not needed any more: after a server has answered
   *   at all, since those that are silent are named by whoever likes to
   * @throws the first server's refusal; 404 `M_NOT_FOUND` when there is nobody to ask; 502 when nobody answers
   */
  join(request: RemoteMembership, inTurn: (work: (turn: ArrivalTurn) => Promise<void>) => Promise<void>): Promise<void> {
    return this.handshake.withAny(request.via, async (server) => {
      const template = await this.handshake.template(server, 'join', request.roomId, request.userId);
      await inTurn((turn) => this.#joinThrough(server, template, request, turn));
    });
  }

  async #joinThrough(server: string, template: MemberDraft, request: RemoteMembership, turn: ArrivalTurn): Promise<void> {
    const { roomId } = request;
    const event = await this.handshake.sign(template, { ...request, membership: 'join' });
    // Whoever is met through a server may be its people: with its keys their names are proven, when it is away too.
    const meeting = template.rules.portable ? this.keyRing.listed(server, Number.POSITIVE_INFINITY).catch(() => undefined) : undefined;
    const answer = await turn.waitFor(this.#sendJoin(server, roomId, event));
    if (!Array.isArray(answer.state) || !Array.isArray(answer.auth_chain)) {
      throw MatrixError.unknown(502, `${server} answered the join without a state`);
    }
    const joined = this.#cosigned(event, answer.event, template.rules);
    await meeting;
    const held = await this.registry.find(roomId);
    if (held?.state.isResident) return this.#takePart(server, held, joined);
    await this.importer.import({
      roomId, rules: template.rules, state: answer.state, authChain: answer.auth_chain, event: joined, destinations: [],
      kept: await this.unspread.of(roomId, [server]),
    });
  }

  /** The join to a room that is here already comes into it like any event of the server that let the user in. */
  async #takePart(server: string, room: Room, join: RoomEvent): Promise<void> {
    const { error, rejected } = await this.receiver.receiveEvent(server, room, join);
    if (error !== undefined || rejected !== undefined) throw MatrixError.forbidden(`The room's state does not allow this: ${error ?? rejected}`);
  }

  async #sendJoin(server: string, roomId: string, event: RoomEvent): Promise<SentJoin> {
    const request = {
      destination: server, method: 'PUT', body: event.json, timeoutMs: 120_000, maxBytes: MAX_JOIN_BYTES, ignoreBackoff: true,
    } as const;
    try {
      const path = federationPath`/_matrix/federation/v2/send_join/${roomId}/${event.eventId}`;
      return await this.federation.request<SentJoin>({ ...request, path, query: { omit_members: false } });
    } catch (error) {
      if (!isUnknownPath(error)) throw error;
    }
    // COMPAT(servers that know only version 1 of the request, which answers with a pair)
    const answer = await this.federation.request<unknown>({ ...request, path: federationPath`/_matrix/federation/v1/send_join/${roomId}/${event.eventId}` });
    return Array.isArray(answer) ? ((answer[1] ?? {}) as SentJoin) : {};
  }

  /** The event with the other server's signature, which a restricted join needs. */
  #cosigned(event: RoomEvent, answered: unknown, rules: RoomVersionRules): RoomEvent {
    if (answered === undefined) return event;
    try {
      const signed = readPdu(answered, rules);
      return signed.eventId === event.eventId ? signed : event;
    } catch {
      return event;
    }
  }
}

/** A server that does not have the endpoint; one that does not have the room says `M_NOT_FOUND`. */
function isUnknownPath(error: unknown): boolean {
  return error instanceof RemoteError && [400, 404, 405].includes(error.remoteStatus) && ['M_UNRECOGNIZED', 'M_UNKNOWN'].includes(error.remoteErrcode);
}
