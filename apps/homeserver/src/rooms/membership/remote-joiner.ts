import { Injectable } from '@nestjs/common';
import { buildEvent, isEventId, isUserId, readPdu, referencedIds, roomVersion, roomVersions, type EventDraft, type JsonObject, type RoomEvent, type RoomVersionRules } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { KeyRing } from '../../federation/keys/key-ring.js';
import { RemoteError, UnreachableError } from '../../federation/outgoing/remote-error.js';
import { Clock } from '../../observability/clock.js';
import { clientError } from '../pipeline/build-event.js';
import { EventSigners, type EventSigner } from '../pipeline/event-signers.js';
import type { ArrivalTurn } from '../remote/room-arrivals.js';
import { RoomImporter } from '../remote/room-importer.js';
import { RoomReceiver } from '../remote/room-receiver.js';
import { UnspreadEnds } from '../remote/unspread-ends.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { HomeSignatures } from '../state/home-signatures.js';

/** Most servers that are asked before the join fails. */
const MAX_SERVERS = 10;
/** State of a room with many thousands of members. */
const MAX_JOIN_BYTES = 128 * 1024 * 1024;

export interface RemoteMembership {
  readonly roomId: string;
  readonly userId: string;
  /** Profile, reason and the like. */
  readonly content: JsonObject;
  /** Servers that may be in the room, best first. */
  readonly via: readonly string[];
}

interface SentJoin {
  readonly state?: unknown;
  readonly auth_chain?: unknown;
  readonly event?: unknown;
}

interface Template {
  readonly rules: RoomVersionRules;
  readonly draft: JsonObject;
}

/** Joins rooms through other servers (Server-Server, "Joining Rooms"); in the room's turn (`RoomArrivals`). */
@Injectable()
export class RemoteJoiner {
  constructor(
    private readonly federation: FederationClient,
    private readonly signers: EventSigners,
    private readonly signatures: HomeSignatures,
    private readonly registry: RoomRegistry,
    private readonly receiver: RoomReceiver,
    private readonly importer: RoomImporter,
    private readonly keyRing: KeyRing,
    private readonly unspread: UnspreadEnds,
    private readonly clock: Clock,
  ) {}

  /**
   * @param inTurn runs what must be done by one at a time, or sees that it is not needed any more: after a server has answered
   *   at all, since those that are silent are named by whoever likes to
   * @throws the first server's refusal; 404 `M_NOT_FOUND` when there is nobody to ask; 502 when nobody answers
   */
  async join(request: RemoteMembership, inTurn: (work: (turn: ArrivalTurn) => Promise<void>) => Promise<void>): Promise<void> {
    if (request.via.length === 0) throw MatrixError.notFound('No server is known that could let you into this room');
    let refusal: unknown;
    let failure: unknown;
    for (const server of request.via.slice(0, MAX_SERVERS)) {
      try {
        const template = await this.template(server, 'make_join', request.roomId, request.userId);
        return await inTurn((turn) => this.#joinThrough(server, template, request, turn));
      } catch (error) {
        if (!(error instanceof MatrixError)) throw error;
        // A refusal says more than a server that is away.
        if (error instanceof UnreachableError) failure ??= error;
        else refusal ??= error;
        if (error instanceof RemoteError && error.remoteErrcode === 'M_INCOMPATIBLE_ROOM_VERSION') throw error;
      }
    }
    throw refusal ?? failure;
  }

  async #joinThrough(server: string, template: Template, request: RemoteMembership, turn: ArrivalTurn): Promise<void> {
    const { roomId } = request;
    const event = await this.sign(template, { ...request, membership: 'join' });
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

  /** Asks for the template of a membership event; `path` is `make_join`, `make_leave` or `make_knock`. */
  async template(server: string, path: 'make_join' | 'make_leave', roomId: string, userId: string): Promise<Template> {
    const answer = await this.federation.request<{ event?: JsonObject; room_version?: unknown }>({
      destination: server,
      method: 'GET',
      path: federationPath`/_matrix/federation/v1/${path}/${roomId}/${userId}`,
      ...(path === 'make_join' ? { query: { ver: roomVersions.map((rules) => rules.id) } } : {}),
      ignoreBackoff: true,
    });
    // Servers that know no other versions do not say it.
    const version = answer.room_version ?? '1';
    const rules = typeof version === 'string' ? roomVersion(version) : undefined;
    if (!rules) throw new MatrixError(400, 'M_INCOMPATIBLE_ROOM_VERSION', 'This server does not know the version of the room', { room_version: String(version) });
    if (typeof answer.event !== 'object' || answer.event === null) throw MatrixError.unknown(502, `${server} gave no template`);
    return { rules, draft: answer.event };
  }

  /** Completes a template; nothing of who the event is about is taken from the other server. */
  async sign(
    { rules, draft }: Template, about: Pick<RemoteMembership, 'roomId' | 'userId' | 'content'> & { membership: 'join' | 'leave' | 'knock' },
  ): Promise<RoomEvent> {
    const signer = await this.signers.of(about.userId, rules);
    const { join_authorised_via_users_server: authoriser, 'io.partyline.authorised_home': home } = (draft['content'] ?? {}) as JsonObject;
    const content: JsonObject = {
      ...about.content,
      membership: about.membership,
      ...(isUserId(authoriser, { historical: true }) ? { join_authorised_via_users_server: authoriser } : {}),
      ...(rules.portable && typeof home === 'string' ? { 'io.partyline.authorised_home': home } : {}),
      ...(signer.record ? { home_record: signer.record as unknown as JsonObject } : {}),
    };
    const { depth } = draft;
    const [prev, auth] = [referencedIds(draft['prev_events']), referencedIds(draft['auth_events'])];
    if (!isIds(prev) || !isIds(auth) || !Number.isSafeInteger(depth)) throw MatrixError.unknown(502, 'The other server gave no valid template');
    const complete: EventDraft = {
      type: 'm.room.member', room_id: about.roomId, sender: about.userId, state_key: about.userId, content,
      prev_events: prev, auth_events: auth, depth: depth as number, origin_server_ts: this.clock.now(),
      ...(rules.portable ? { home: signer.name } : {}),
    };
    const event = built(complete, rules, signer);
    if (rules.portable) this.signatures.trust(event, signer.name, signer.key.keyId, signer.key.publicKey);
    return event;
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

function built(draft: EventDraft, rules: RoomVersionRules, signer: EventSigner): RoomEvent {
  try {
    return buildEvent(draft, rules, signer);
  } catch (error) {
    throw clientError(error);
  }
}

/** A server that does not have the endpoint; one that does not have the room says `M_NOT_FOUND`. */
function isUnknownPath(error: unknown): boolean {
  return error instanceof RemoteError && [400, 404, 405].includes(error.remoteStatus) && ['M_UNRECOGNIZED', 'M_UNKNOWN'].includes(error.remoteErrcode);
}

function isIds(value: readonly unknown[]): value is string[] {
  return value.length <= 20 && value.every((id) => isEventId(id));
}
