import { Injectable } from '@nestjs/common';
import { buildEvent, isEventId, isUserId, referencedIds, roomVersion, roomVersions, type EventDraft, type JsonObject, type RoomEvent, type RoomVersionRules } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { RemoteError, UnreachableError } from '../../federation/outgoing/remote-error.js';
import { Clock } from '../../observability/clock.js';
import { clientError } from '../pipeline/build-event.js';
import { EventSigners, type EventSigner } from '../pipeline/event-signers.js';
import { HomeSignatures } from '../state/home-signatures.js';

/** Most servers that are asked before it fails. */
const MAX_SERVERS = 10;
/** Of an event (Server-Server, "PDUs"). */
const MAX_REFERENCES = 20;

export interface RemoteMembership {
  readonly roomId: string;
  readonly userId: string;
  /** Profile, reason and the like. */
  readonly content: JsonObject;
  /** Servers that may be in the room, best first. */
  readonly via: readonly string[];
}

export type RequestedMembership = 'join' | 'leave' | 'knock';

export interface MemberDraft {
  readonly rules: RoomVersionRules;
  readonly draft: JsonObject;
}

/**
 * The way in which a server changes the membership of its users in rooms of others (Server-Server, "Joining Rooms", "Knocking upon a
 * Room", "Leaving Rooms"): a template is asked for, completed and signed here; `/send_…` differs.
 */
@Injectable()
export class MemberHandshake {
  constructor(
    private readonly federation: FederationClient,
    private readonly signers: EventSigners,
    private readonly signatures: HomeSignatures,
    private readonly clock: Clock,
  ) {}

  /**
   * Tries one server after the other until `work` is done with one.
   *
   * @throws the first refusal of a server that has the room; 404 `M_NOT_FOUND` when there is nobody to ask; 502 when nobody answers
   */
  async withAny<T>(servers: readonly string[], work: (server: string) => Promise<T>): Promise<T> {
    if (servers.length === 0) throw MatrixError.notFound('No server is known through which this room can be reached');
    let best: MatrixError | undefined;
    for (const server of servers.slice(0, MAX_SERVERS)) {
      try {
        return await work(server);
      } catch (error) {
        if (!(error instanceof MatrixError)) throw error;
        if (error instanceof RemoteError && error.remoteErrcode === 'M_INCOMPATIBLE_ROOM_VERSION') throw error;
        if (!best || weightOf(error) > weightOf(best)) best = error;
      }
    }
    throw best && forClient(best);
  }

  /**
   * Asks a server for the template of a membership event.
   *
   * @throws MatrixError 502 when what it gives is the template of another event, and what the server answers
   */
  async template(server: string, membership: RequestedMembership, roomId: string, userId: string): Promise<MemberDraft> {
    const answer = await this.federation.request<{ event?: JsonObject; room_version?: unknown }>({
      destination: server,
      method: 'GET',
      path: federationPath`/_matrix/federation/v1/${`make_${membership}`}/${roomId}/${userId}`,
      ...(membership === 'leave' ? {} : { query: { ver: roomVersions.map((rules) => rules.id) } }),
      ignoreBackoff: true,
    });
    // Servers that know no other versions do not say it.
    const version = answer.room_version ?? '1';
    const rules = typeof version === 'string' ? roomVersion(version) : undefined;
    if (!rules) throw new MatrixError(400, 'M_INCOMPATIBLE_ROOM_VERSION', 'This server does not know the version of the room', { room_version: String(version) });
    if (!isTemplate(answer.event, membership, roomId, userId)) throw MatrixError.unknown(502, `${server} gave no template of what it was asked for`);
    return { rules, draft: answer.event };
  }

  /** Completes a template; nothing of who the event is about is taken from the other server. */
  async sign(
    { rules, draft }: MemberDraft, about: Pick<RemoteMembership, 'roomId' | 'userId' | 'content'> & { membership: RequestedMembership },
  ): Promise<RoomEvent> {
    const signer = await this.signers.of(about.userId, rules);
    const { join_authorised_via_users_server: authoriser, 'io.partyline.authorised_home': home } = (draft['content'] ?? {}) as JsonObject;
    const isJoin = about.membership === 'join';
    const content: JsonObject = {
      ...about.content,
      membership: about.membership,
      ...(isJoin && isUserId(authoriser, { historical: true }) ? { join_authorised_via_users_server: authoriser } : {}),
      ...(isJoin && rules.portable && typeof home === 'string' ? { 'io.partyline.authorised_home': home } : {}),
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
}

/** What another server says to this one about a request of its own is no word to the client (`make_join`, `send_join`). */
function forClient(error: MatrixError): MatrixError {
  if (!(error instanceof RemoteError)) return error;
  if (error.errcode === 'M_UNABLE_TO_AUTHORISE_JOIN' || error.errcode === 'M_UNABLE_TO_GRANT_JOIN') return MatrixError.forbidden(error.message);
  if (error.errcode === 'M_MISSING_PARAM' || error.errcode === 'M_INVALID_PARAM') return MatrixError.unknown(502, error.message);
  return error;
}

/** What it says to who asks: a server that has the room more than one that has not, and that more than one that is away. */
function weightOf(error: MatrixError): number {
  if (error instanceof UnreachableError) return 0;
  return error.status === 404 ? 1 : 2;
}

function isTemplate(event: JsonObject | null | undefined, membership: RequestedMembership, roomId: string, userId: string): event is JsonObject {
  const content = event?.['content'] as JsonObject | null | undefined;
  return event?.['type'] === 'm.room.member' && event['room_id'] === roomId && event['sender'] === userId && event['state_key'] === userId
    && content?.['membership'] === membership;
}

function built(draft: EventDraft, rules: RoomVersionRules, signer: EventSigner): RoomEvent {
  try {
    return buildEvent(draft, rules, signer);
  } catch (error) {
    throw clientError(error);
  }
}

function isIds(value: readonly unknown[]): value is string[] {
  return value.length <= MAX_REFERENCES && value.every((id) => isEventId(id));
}
