import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import type { Requester } from '../../accounts/requester.js';
import { OwnPresence } from '../../ephemeral/presence/own-presence.js';
import { RoomReaders } from '../history/room-readers.js';
import { SyncNotifier } from '../notify/sync-notifier.js';
import { SyncService } from '../sync.service.js';
import { SyncTokens } from '../sync-tokens.js';
import type { EventList, EventListQuery } from './event-list.js';
import { eventsOfSync, type SyncBody } from './events-of-sync.js';
import { RoomWatch } from './room-watch.js';

/** Newest events of a room that one answer holds. */
const MAX_PER_ROOM = 100;
const FILTER = JSON.stringify({ room: { timeline: { limit: MAX_PER_ROOM } } });

/**
 * `GET /events` (old_sync.yaml, deprecated, and peeking_events.yaml): one list of all that is new. It is made from `/sync`,
 * so that both tell the same; nobody who minds its cost should use it.
 */
@Injectable()
export class EventStream {
  constructor(
    private readonly sync: SyncService,
    private readonly notifier: SyncNotifier,
    private readonly readers: RoomReaders,
    private readonly tokens: SyncTokens,
    private readonly presence: OwnPresence,
    private readonly watch: RoomWatch,
  ) {}

  /** @throws MatrixError 400 `M_INVALID_PARAM` for a bad token, 403 `M_FORBIDDEN` for a room that cannot be watched */
  async next(requester: Requester, query: EventListQuery, caller: { readonly signal: AbortSignal }): Promise<EventList> {
    if (query.roomId !== undefined && !(await this.readers.of(requester.userId, query.roomId)).isJoined) {
      return this.watch.next(requester, query.roomId, query, caller.signal);
    }
    const start = query.from ?? this.tokens.sync(this.notifier.current());
    // Without a device: messages to it are not told here, so they must not count as received either.
    this.presence.seen(requester, undefined, query.timeoutMs);
    const { text } = await this.sync.sync({ ...requester, deviceId: null }, {
      setPresence: 'offline', since: start, filter: FILTER, fullState: false, useStateAfter: false, timeoutMs: query.timeoutMs, frontier: false,
    }, caller);
    const body = parseStoredJson(text) as SyncBody;
    return { start, end: body.next_batch, chunk: eventsOfSync(body, requester.userId) };
  }
}
