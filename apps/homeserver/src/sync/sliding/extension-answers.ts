import { Injectable } from '@nestjs/common';
import { AccountData, type AccountDataEvent } from '../../account-data/account-data.js';
import type { StreamName } from '../../bus/bus.js';
import { DeviceListReader } from '../../device-keys/device-lists/device-list-reader.js';
import { OneTimeKeys } from '../../device-keys/one-time-keys/one-time-keys.js';
import { ToDeviceInbox } from '../../device-keys/to-device/to-device-inbox.js';
import { receiptContent } from '../../ephemeral/receipt-content.js';
import { ReceiptsStore, type ReceiptRow } from '../../ephemeral/receipts.store.js';
import { TypingUsers } from '../../ephemeral/typing-users.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import type { SyncPositions } from '../sync-token.js';
import { SyncTokens } from '../sync-tokens.js';
import type { ConnectionState } from './connection-state.js';
import type { SlidingRequest } from './sliding-request.js';

/** Receipts of one room: of one that the client does not know yet, and those that are new. */
const MAX_FIRST_RECEIPTS = 100;
const MAX_RECEIPTS = 1_000;

/** What the extensions of an answer are about. */
export interface ExtensionsAsked {
  readonly request: SlidingRequest;
  readonly state: ConnectionState;
  readonly isFirst: boolean;
  /** Joined rooms that are looked at, for which each extension is on. */
  readonly rooms: Readonly<Record<'account' | 'receipts' | 'typing', readonly RoomMembership[]>>;
  readonly next: SyncPositions;
  /** Users of whom nothing is shown. */
  readonly ignored: ReadonlySet<string>;
  /** Streams that may hold something new since `state.positions`. */
  readonly ahead: ReadonlySet<StreamName>;
}

export interface ExtensionsAnswer {
  /** By name: JSON texts. */
  readonly texts: ReadonlyMap<string, string>;
  readonly isEmpty: boolean;
  readonly account: number | null;
  readonly toDevice: number;
  readonly deviceLists: ConnectionState['deviceLists'];
}

/** What an extension has to tell; `isNews` where the client waits for it. */
interface Told {
  readonly text: string;
  readonly isNews: boolean;
}

/** The extensions of sliding syncs: MSC3884 (e2ee), MSC3885 (to_device), MSC3959 (account_data), MSC3960 (receipts), MSC4508 (typing). */
@Injectable()
export class ExtensionAnswers {
  constructor(
    private readonly accountData: AccountData,
    private readonly receipts: ReceiptsStore,
    private readonly typing: TypingUsers,
    private readonly toDevice: ToDeviceInbox,
    private readonly deviceLists: DeviceListReader,
    private readonly keyCounts: OneTimeKeys,
    private readonly tokens: SyncTokens,
  ) {}

  async write(asked: ExtensionsAsked): Promise<ExtensionsAnswer> {
    const { request: { extensions }, state, next } = asked;
    const [inbox, e2ee, account, receipts] = await Promise.all([
      extensions.toDevice ? this.#inbox(asked, extensions.toDevice.since) : null,
      extensions.e2ee ? this.#e2ee(asked) : null,
      extensions.accountData ? this.#account(asked) : null,
      extensions.receipts ? this.#receipts(asked) : null,
    ]);
    const typing = extensions.typing ? this.#typing(asked) : null;
    const told: [string, Told | null][] = [['to_device', inbox], ['e2ee', e2ee], ['account_data', account], ['receipts', receipts], ['typing', typing]];
    return {
      texts: new Map(told.flatMap(([name, one]) => (one ? [[name, one.text]] : []))),
      isEmpty: !told.some(([, one]) => one?.isNews),
      account: extensions.accountData ? next.account : state.account,
      toDevice: inbox?.pos ?? state.toDevice,
      deviceLists: extensions.e2ee ? { events: next.events, device_lists: next.device_lists } : state.deviceLists,
    };
  }

  async #inbox({ request, state, isFirst, next }: ExtensionsAsked, since: string | undefined): Promise<Told & { pos: number }> {
    const { requester: { userId, deviceId }, frontier, extensions } = request;
    // Who does not say what it has received has received what it was told before.
    const from = since === undefined ? (isFirst ? 0 : state.toDevice) : await this.tokens.inboxOf(since);
    if (deviceId === null) return { text: inboxText([], this.tokens.inbox(from)), isNews: false, pos: from };
    if (from > 0) await this.toDevice.acknowledge(userId, deviceId, from);
    const { events, pos } = await this.toDevice.messages(userId, deviceId, { from, to: next.to_device, withIds: frontier, limit: extensions.toDevice!.limit });
    const reached = Math.max(pos, from);
    return { text: inboxText(events, this.tokens.inbox(reached)), isNews: events.length > 0, pos: reached };
  }

  async #e2ee({ request: { requester: { userId, deviceId } }, state, isFirst, next }: ExtensionsAsked): Promise<Told> {
    const { changed, left } = isFirst ? { changed: [], left: [] } : await this.deviceLists.since(userId, state.deviceLists, next);
    const isNews = changed.length + left.length > 0;
    const counts = deviceId === null ? null : (this.keyCounts.held(userId, deviceId) ?? (await this.keyCounts.counts(userId, deviceId)));
    const parts = [
      ...(isNews ? [`"device_lists":${JSON.stringify({ changed, left })}`] : []),
      ...(counts ? [`"device_one_time_keys_count":${counts.oneTimeKeys}`, `"device_unused_fallback_key_types":${counts.unusedFallback}`] : []),
    ];
    return { text: `{${parts.join(',')}}`, isNews };
  }

  async #account({ request: { requester: { userId } }, state, rooms, next, ahead }: ExtensionsAsked): Promise<Told | null> {
    const from = state.account;
    const isBehind = from === null || from < state.positions.account || ahead.has('account');
    const places = placesOf(rooms.account, state, 'account');
    const anew = places.flatMap(({ room, after }) => (after === null || after < state.positions.account ? [room.roomId] : []));
    const current = new Set(places.flatMap(({ room, after }) => (after !== null && after >= state.positions.account ? [room.roomId] : [])));
    const [global, complete, changed] = await Promise.all([
      isBehind ? this.accountData.global(userId, from, next.account) : [],
      anew.length > 0 ? this.accountData.rooms(userId, null, next.account, anew) : new Map<string, AccountDataEvent[]>(),
      ahead.has('account') && current.size > 0
        ? this.accountData.rooms(userId, state.positions.account, next.account, []) : new Map<string, AccountDataEvent[]>(),
    ]);
    const ofRooms = [...complete, ...[...changed].filter(([roomId]) => current.has(roomId))];
    if (global.length + ofRooms.length === 0) return null;
    const parts = [
      ...(global.length > 0 ? [`"global":[${textsOf(global)}]`] : []),
      ...(ofRooms.length > 0 ? [`"rooms":{${ofRooms.map(([roomId, events]) => `${JSON.stringify(roomId)}:[${textsOf(events)}]`).join(',')}}`] : []),
    ];
    return { text: `{${parts.join(',')}}`, isNews: true };
  }

  async #receipts({ request: { requester: { userId } }, state, rooms, next, ahead, ignored }: ExtensionsAsked): Promise<Told | null> {
    const places = placesOf(rooms.receipts, state, 'receipts');
    const first = places.flatMap(({ room, after }) => (after === null ? [{ roomNid: room.roomNid, after: 0 }] : []));
    const others = places.flatMap(({ room, after }) =>
      (after !== null && (ahead.has('receipts') || after < state.positions.receipts) ? [{ roomNid: room.roomNid, after }] : []));
    const [all, news] = await Promise.all([
      this.receipts.inRooms(first, next.receipts, userId, MAX_FIRST_RECEIPTS),
      this.receipts.inRooms(others, next.receipts, userId, MAX_RECEIPTS),
    ]);
    const ids = new Map(rooms.receipts.map((room) => [room.roomNid, room.roomId]));
    const byRoom = new Map<string, ReceiptRow[]>();
    for (const row of [...all, ...news]) {
      if (ignored.has(row.user_id)) continue;
      const roomId = ids.get(row.room_nid)!;
      const rows = byRoom.get(roomId);
      if (rows) rows.push(row);
      else byRoom.set(roomId, [row]);
    }
    return roomsTold([...byRoom].map(([roomId, rows]) => [roomId, { type: 'm.receipt', content: receiptContent(rows) }]));
  }

  #typing({ state, rooms, ignored }: ExtensionsAsked): Told | null {
    return roomsTold(placesOf(rooms.typing, state, 'typing').flatMap(({ room, after }): [string, object][] => {
      const typing = this.typing.inRoom(room.roomId);
      const users = typing?.users.filter((userId) => !ignored.has(userId)) ?? [];
      const isNews = typing !== undefined && (after === null ? users.length > 0 : typing.pos > after);
      return isNews ? [[room.roomId, { type: 'm.typing', content: { user_ids: users } }]] : [];
    }));
  }
}

/** Up to where the client was told of each room; null for never. */
function placesOf(rooms: readonly RoomMembership[], state: ConnectionState, kind: 'account' | 'receipts' | 'typing'): { room: RoomMembership; after: number | null }[] {
  return rooms.map((room) => {
    const told = state.rooms.get(room.roomNid);
    return { room, after: told ? (told.at ?? state.moment)[kind] : null };
  });
}

function roomsTold(rooms: readonly (readonly [string, object])[]): Told | null {
  if (rooms.length === 0) return null;
  return { text: `{"rooms":{${rooms.map(([roomId, event]) => `${JSON.stringify(roomId)}:${JSON.stringify(event)}`).join(',')}}}`, isNews: true };
}

function inboxText(events: readonly string[], next: string): string {
  return `{"next_batch":"${next}","events":[${events.join(',')}]}`;
}

function textsOf(events: readonly AccountDataEvent[]): string {
  return events.map(({ type, content }) => `{"type":${JSON.stringify(type)},"content":${content}}`).join(',');
}
