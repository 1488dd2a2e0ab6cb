import { Injectable } from '@nestjs/common';
import { AccountData } from '../../account-data/account-data.js';
import { Clock } from '../../observability/clock.js';
import { type CompiledPushRules, notificationFor } from '../../push/compile-push-rules.js';
import type { PushAction } from '../../account-data/push-rules/push-rule.js';
import { PushLook } from '../../push/push-look.js';
import { PushRuleCache } from '../../push/push-rule-cache.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { type EventContext, writeEvent } from '../engine/event-writer.js';
import { Aggregations } from '../relations/aggregations.js';
import { EventThreads } from '../relations/event-threads.js';
import { RoomWindows } from '../rooms/room-windows.js';
import type { SyncEvent } from '../rooms/sync-event.js';
import { SyncEvents } from '../rooms/sync-events.js';
import { NotificationContexts } from './notification-contexts.js';
import { type NotificationRow, NotificationRowsStore } from './notification-rows.store.js';
import { type EmptyTally, ReadTallies } from './read-tallies.js';
import { MAIN_THREAD } from './unread-tally.js';

/** Events that are looked at together, and for one page, which is then shorter than it was asked for. */
const AT_ONCE = 100;
const MAX_LOOKED_AT = 2_000;
const MAX_BYTES = 4 * 1024 * 1024;

/** What is asked of the notifications of an account. */
export interface NotificationsQuery {
  readonly userId: string;
  readonly deviceId: string | null;
  /** Position to go on from; undefined for the newest. */
  readonly from: number | undefined;
  readonly limit: number;
  readonly onlyHighlights: boolean;
}

/** JSON texts of notifications, newest first. */
export interface NotificationsPage {
  readonly notifications: readonly string[];
  /** Where the next page begins; undefined when there is none. */
  readonly next: number | undefined;
}

/** What a page is made from. */
interface Reader {
  readonly query: NotificationsQuery;
  readonly rooms: ReadonlyMap<number, RoomMembership>;
  readonly tallies: ReadonlyMap<number, EmptyTally>;
  readonly rules: CompiledPushRules;
  readonly ignored: ReadonlySet<string>;
  readonly to: number;
}

/**
 * What an account has been, or would have been, notified of (client-server/notifications.yaml), by its push rules as they are now: from the timelines of
 * its rooms, so that it is the same at each of its homes, and nothing is stored for it.
 */
@Injectable()
export class NotificationHistory {
  constructor(
    private readonly memberships: Memberships,
    private readonly tallies: ReadTallies,
    private readonly rules: PushRuleCache,
    private readonly accountData: AccountData,
    private readonly contexts: NotificationContexts,
    private readonly windows: RoomWindows,
    private readonly events: SyncEvents,
    private readonly threads: EventThreads,
    private readonly aggregations: Aggregations,
    private readonly rows: NotificationRowsStore,
    private readonly positions: StreamPositions,
    private readonly clock: Clock,
  ) {}

  async page(query: NotificationsQuery): Promise<NotificationsPage> {
    const { limit } = query;
    const reader = await this.#reader(query);
    const after = [...reader.tallies].map(([roomNid, { tally }]) => ({ roomNid, after: tally.joinedAt }));
    const notifications: string[] = [];
    let cursor = Math.min(query.from ?? reader.to, reader.to);
    let bytes = 0;
    for (let looked = 0; looked < MAX_LOOKED_AT; looked += AT_ONCE) {
      const rows = await this.rows.newest(after, cursor, AT_ONCE);
      for (const { row, text } of await this.#notified(reader, rows)) {
        bytes += text.length;
        if (notifications.length === limit || (notifications.length > 0 && bytes > MAX_BYTES)) return { notifications, next: row.pos };
        notifications.push(text);
      }
      if (rows.length < AT_ONCE) return { notifications, next: undefined };
      cursor = rows.at(-1)!.pos - 1;
      await new Promise(setImmediate);
    }
    return { notifications, next: cursor };
  }

  async #reader(query: NotificationsQuery): Promise<Reader> {
    const { userId } = query;
    const [list, rules, ignored] = await Promise.all([this.memberships.roomsOf(userId), this.rules.of(userId), this.accountData.ignored(userId)]);
    const to = this.positions.current('events');
    const rooms = new Map([...list.values()].filter(({ membership }) => membership === 'join').map((room) => [room.roomNid, room]));
    await this.windows.refresh(rooms.keys(), to);
    return { query, rooms, tallies: await this.tallies.of(userId, [...rooms.keys()], to), rules, ignored, to };
  }

  /** The rows that notify, in their order. */
  async #notified(reader: Reader, rows: readonly NotificationRow[]): Promise<{ row: NotificationRow; text: string }[]> {
    const { query: { userId, onlyHighlights }, rooms, rules, ignored, to } = reader;
    const events = await this.events.load(rows.map((row) => row.nid));
    await this.threads.resolve(events.values());
    const contexts = await this.contexts.of(userId, [...new Set(rows.map((row) => row.roomNid))].map((roomNid) => rooms.get(roomNid)!), to);
    const found = rows.flatMap((row) => {
      const event = events.get(row.nid);
      if (!event || event.sender === userId || event.redactedBy !== null || ignored.has(event.sender)) return [];
      const { roomId } = rooms.get(row.roomNid)!;
      const look = new PushLook({
        type: event.type, sender: event.sender, room_id: roomId, content: event.content,
        ...(event.stateKey === null ? {} : { state_key: event.stateKey }),
      }, contexts.get(row.roomNid)!(event.sender));
      const notification = notificationFor(rules, look);
      if (!notification || (onlyHighlights && !notification.highlight)) return [];
      return [{ row, roomId, event, actions: notification.actions }];
    });
    // Who is joined sees what relates to what came after his join.
    const relations = await this.aggregations.of(this.#context(reader), ignored, found.map(({ row: { roomNid }, roomId, event }) => ({ roomId, roomNid, events: [event], sight: () => null })));
    return found.map(({ row, roomId, event, actions }) => ({ row, text: this.#text(reader, row, { roomId, event, actions, relations: relations.get(event.nid) }) }));
  }

  #context({ query: { userId, deviceId } }: Reader): EventContext {
    return { now: this.clock.now(), userId, deviceId, fields: null, isFederationFormat: false };
  }

  #text(
    reader: Reader, { roomNid, pos }: NotificationRow,
    { roomId, event, actions, relations }: { roomId: string; event: SyncEvent; actions: readonly PushAction[]; relations: string | undefined },
  ): string {
    const isRead = !reader.tallies.get(roomNid)!.tally.isUnread(event.thread ?? MAIN_THREAD, pos);
    const shown = writeEvent(event, roomId, this.#context(reader), { membership: 'join', relations });
    return `{"actions":${JSON.stringify(actions)},"event":${shown},"profile_tag":"","read":${isRead},"room_id":${JSON.stringify(roomId)},"ts":${event.originServerTs}}`;
  }
}
