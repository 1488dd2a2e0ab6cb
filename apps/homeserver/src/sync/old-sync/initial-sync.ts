import { Injectable } from '@nestjs/common';
import { clientEventJson, type JsonObject } from '#federation';
import { parseStoredJson } from '#json';
import { AccountData } from '../../account-data/account-data.js';
import type { Requester } from '../../accounts/requester.js';
import { RoomDirectory } from '../../directory/room-directory.js';
import { OwnPresence } from '../../ephemeral/presence/own-presence.js';
import { PresenceReader } from '../../ephemeral/presence/presence-reader.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { RoomAccess } from '../../rooms/timeline/room-access.js';
import { SyncTokens } from '../sync-tokens.js';
import { RoomHistoryReader } from '../history/room-history.js';
import { RoomReaders } from '../history/room-readers.js';
import { SyncService } from '../sync.service.js';
import type { JoinedRoom, SyncBody } from './events-of-sync.js';

const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 100;
/** Members of whose presence an answer tells. */
const MAX_PEOPLE = 5_000;

/** `GET /initialSync` and `GET /rooms/{roomId}/initialSync` (old_sync.yaml, room_initial_sync.yaml): all at once. */
@Injectable()
export class InitialSync {
  constructor(
    private readonly sync: SyncService,
    private readonly access: RoomAccess,
    private readonly readers: RoomReaders,
    private readonly history: RoomHistoryReader,
    private readonly memberships: Memberships,
    private readonly accountData: AccountData,
    private readonly directory: RoomDirectory,
    private readonly presence: PresenceReader,
    private readonly own: OwnPresence,
    private readonly tokens: SyncTokens,
  ) {}

  /** @param limit newest events of each room */
  async account(requester: Requester, limit: number | undefined, archived: boolean, caller: { readonly signal: AbortSignal }): Promise<object> {
    const filter = { room: { timeline: { limit: bounded(limit) }, include_leave: archived } };
    this.own.seen(requester);
    const { text } = await this.sync.sync({ ...requester, deviceId: null }, {
      setPresence: 'offline', filter: JSON.stringify(filter), fullState: false, useStateAfter: true, timeoutMs: 0, frontier: false,
    }, caller);
    const body = parseStoredJson(text) as SyncBody;
    const { join = {}, invite = {}, leave = {} } = body.rooms ?? {};
    const listed = await this.directory.listed([...Object.keys(join), ...Object.keys(leave)]);
    const rooms = [
      ...Object.entries(join).map(([roomId, room]) => roomOf(roomId, 'join', room, body.next_batch, listed)),
      ...Object.entries(leave).map(([roomId, room]) => roomOf(roomId, 'leave', room, body.next_batch, listed)),
      ...Object.entries(invite).map(([roomId, room]) => inviteOf(roomId, room.invite_state.events ?? [], requester.userId)),
    ];
    const receipts = Object.entries(join).flatMap(([roomId, room]) =>
      (room.ephemeral?.events ?? []).filter((event) => event['type'] === 'm.receipt').map((event) => ({ ...event, room_id: roomId })));
    return {
      end: body.next_batch, rooms, receipts, presence: (body.presence?.events ?? []).map(withUser), account_data: body.account_data?.events ?? [],
    };
  }

  /** @throws MatrixError 403 `M_FORBIDDEN` for those who may not look into the room */
  async room(requester: Requester, roomId: string, limit: number | undefined): Promise<object> {
    const { userId } = requester;
    const { upTo } = await this.readers.of(userId, roomId);
    const state = await this.access.visibleState(userId, roomId);
    const wanted = bounded(limit);
    const page = wanted === 0
      ? { chunk: [], end: this.tokens.place(upTo) }
      : parseStoredJson(await this.history.messages(requester, roomId, { dir: 'b', limit: wanted })) as { chunk: JsonObject[]; end?: string };
    const membership = (await this.memberships.roomsOf(userId)).get(roomId)?.membership;
    const listed = await this.directory.listed([roomId]);
    const accountData = (await this.accountData.rooms(userId, null, 0, [roomId])).get(roomId) ?? [];
    return {
      room_id: roomId,
      ...(membership === undefined ? {} : { membership }),
      visibility: listed.has(roomId) ? 'public' : 'private',
      messages: { start: page.end ?? this.tokens.place(0), end: this.tokens.place(upTo), chunk: page.chunk.toReversed() },
      state: (await state.all()).map((event) => withSender(parseStoredJson(clientEventJson(event)) as JsonObject)),
      account_data: accountData.map(({ type, content }) => ({ type, content: parseStoredJson(content) as JsonObject })),
      // Not for who only looks in.
      presence: membership === 'join' ? await this.#presence(roomId) : [],
      receipts: [],
    };
  }

  async #presence(roomId: string): Promise<object[]> {
    const members = [...(await this.memberships.joinedMembers(roomId))].slice(0, MAX_PEOPLE);
    return [...this.presence.of(members)].map(([sender, content]) => withUser({ type: 'm.presence', sender, content: { ...content } }));
  }
}

/** In answers of these endpoints the content says of whom it is. */
function withUser(event: JsonObject): JsonObject {
  return { ...event, content: { ...(event['content'] as JsonObject), user_id: event['sender']! } };
}

/** COMPAT(SyTest, clients of the API's first release): the sender of state events has its first name, too. */
function withSender(event: JsonObject): JsonObject {
  return { ...event, user_id: event['sender']! };
}

function bounded(limit: number | undefined): number {
  return Math.min(limit ?? DEFAULT_LIMIT, MAX_LIMIT);
}

function roomOf(roomId: string, membership: 'join' | 'leave', room: JoinedRoom, end: string, listed: ReadonlySet<string>): object {
  const inRoom = (events: readonly JsonObject[] = []) => events.map((event) => ({ ...event, room_id: roomId }));
  return {
    room_id: roomId,
    membership,
    visibility: listed.has(roomId) ? 'public' : 'private',
    messages: { start: room.timeline.prev_batch ?? end, end, chunk: inRoom(room.timeline.events) },
    state: inRoom(room.state_after?.events ?? room.state?.events).map(withSender),
    account_data: room.account_data?.events ?? [],
  };
}

function inviteOf(roomId: string, state: readonly JsonObject[], userId: string): object {
  const invitation = state.find((event) => event['type'] === 'm.room.member' && event['state_key'] === userId);
  return {
    room_id: roomId,
    membership: 'invite',
    visibility: 'private',
    ...(invitation ? { inviter: invitation['sender'], invite: { ...invitation, room_id: roomId } } : {}),
  };
}
