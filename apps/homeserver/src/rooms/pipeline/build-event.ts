import {
  addSignature, authStateKeys, buildEvent as build, canonicalJson, CanonicalJsonError, checkAuth, AuthError, EventTooLargeError, MalformedContentError, type AuthContext,
  knownRecord, standingEvents, type EventDraft, type HomeRecord, type JsonObject, type RoomEvent,
} from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { contentHash, type StateEntry } from '../state/state-entry.js';
import type { EventSigner } from './event-signers.js';
import type { RoomDraft } from './room-draft.js';

/** Most prev_events that an event names (Server-Server, "PDUs"). */
const MAX_PREV_EVENTS = 20;

/** A new event as a user of this server asks for it. */
export interface LocalEvent {
  readonly sender: string;
  readonly type: string;
  readonly stateKey?: string;
  readonly content: JsonObject;
  readonly redacts?: string;
  /** Milliseconds since the Unix epoch. */
  readonly ts: number;
  /** Once-only key (protocol §6). */
  readonly txn?: string | null;
  /** Event ids to cite beside the usual auth events (`io.partyline.stands`); what a member event revokes is found by itself. */
  readonly stands?: readonly string[];
  /** For a member event that revokes homes: the auth chain of the state. */
  readonly restsOn?: readonly RoomEvent[];
  /** Sent though the state says the same already: it binds the ends of the graph together. */
  readonly isRepeat?: boolean;
  /** Signs too: the server of the member who authorises a restricted join. */
  readonly cosigner?: EventSigner;
}

/**
 * Completes an event at the end of the draft's graph: previous events, depth, auth events; hashes, signs and judges it by the
 * draft's state.
 *
 * @throws MatrixError 403 `M_FORBIDDEN` (not allowed), 413 `M_TOO_LARGE`, 400 `M_BAD_JSON` (floats, too large integers)
 */
export function buildLocalEvent(draft: RoomDraft, request: LocalEvent, signer: EventSigner, context: AuthContext): RoomEvent {
  const { rules } = draft.room;
  const isCreate = request.type === 'm.room.create' && draft.extremities.length === 0;
  const eventDraft: EventDraft = {
    type: request.type,
    sender: request.sender,
    content: request.content,
    origin_server_ts: request.ts,
    ...graphPosition(draft),
    auth_events: [],
    ...(isCreate && rules.roomIdIsCreateHash ? {} : { room_id: draft.room.id }),
    ...(request.stateKey === undefined ? {} : { state_key: request.stateKey }),
    ...redactsMember(request, rules.updatedRedaction),
    ...(rules.portable ? { home: signer.name, ...(request.txn ? { txn: request.txn } : {}) } : {}),
  };
  const cited = authStateKeys(eventDraft, rules, draft)
    .map(([type, stateKey]) => draft.entry(type, stateKey)?.event.eventId)
    .filter((id) => id !== undefined);
  eventDraft.auth_events = [...new Set([...cited, ...(request.stands ?? standingIds(draft, request))])];
  try {
    const signed = build(eventDraft, rules, signer);
    const event = request.cosigner ? addSignature(signed, rules, request.cosigner.name, request.cosigner.key) : signed;
    checkAuth(event, draft, rules, context);
    return event;
  } catch (error) {
    throw clientError(error);
  }
}

/** Portable rooms: state that stands though its home goes with the member event that is about to be made (protocol §3). */
export function standingIds(draft: RoomDraft, { type, stateKey, sender, content, restsOn }: LocalEvent): string[] {
  const next = draft.room.rules.portable && type === 'm.room.member' && stateKey === sender ? recordOfContent(content) : undefined;
  const current = next && knownRecord(draft, sender);
  if (!next || !current) return [];
  return standingEvents(sender, current, next, [...draft.stateEvents(), ...(restsOn ?? [])]).map((event) => event.eventId);
}

function recordOfContent(content: JsonObject): HomeRecord | undefined {
  return content['home_record'] as unknown as HomeRecord | undefined;
}

/** Where a new event stands: behind the extremities. */
export function graphPosition(draft: RoomDraft): Pick<EventDraft, 'prev_events' | 'depth'> {
  const newestFirst = [...draft.extremities].sort((a, b) => b.depth - a.depth || b.nid - a.nid).slice(0, MAX_PREV_EVENTS);
  const depth = Math.min((newestFirst[0]?.depth ?? 0) + 1, Number.MAX_SAFE_INTEGER);
  return { prev_events: newestFirst.map((extremity) => extremity.eventId), depth };
}

function redactsMember(request: LocalEvent, inContent: boolean): Partial<EventDraft> {
  if (request.redacts === undefined) return {};
  return inContent ? { content: { ...request.content, redacts: request.redacts } } : { redacts: request.redacts };
}

/** What a user is told when the event cannot be made. */
export function clientError(error: unknown): unknown {
  if (error instanceof MalformedContentError) return MatrixError.badJson(`Not allowed: ${error.message}`);
  if (error instanceof AuthError) return new MatrixError(403, 'M_FORBIDDEN', `Not allowed: ${error.message}`);
  if (error instanceof EventTooLargeError) return MatrixError.tooLarge(error.message);
  if (error instanceof CanonicalJsonError) return MatrixError.badJson(error.message);
  return error;
}

/** True when the state that is asked for is the current state already (same sender and content). */
export function isSameState(current: StateEntry | undefined, request: LocalEvent): boolean {
  if (!current || current.event.pdu.sender !== request.sender) return false;
  try {
    if (current.whole) return current.whole.content === contentHash(request.content);
    return canonicalJson(current.event.pdu.content) === canonicalJson(request.content);
  } catch {
    return false;
  }
}
