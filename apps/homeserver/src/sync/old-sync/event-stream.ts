import { Injectable } from '@nestjs/common';
import type { JsonObject } from '#federation';
import { parseStoredJson } from '#json';
import { type OpenSession, OpenSessions } from '../../accounts/open-sessions.js';
import type { Requester } from '../../accounts/requester.js';
import { Bus } from '../../bus/bus.js';
import { OwnPresence } from '../../ephemeral/presence/own-presence.js';
import { Clock } from '../../observability/clock.js';
import { Stopping } from '../../observability/stopping.js';
import { RoomHistoryReader } from '../history/room-history.js';
import { RoomReaders } from '../history/room-readers.js';
import { SyncNotifier } from '../notify/sync-notifier.js';
import { SyncService } from '../sync.service.js';
import { SyncTokens } from '../sync-tokens.js';
import { eventsOfSync, type SyncBody } from './events-of-sync.js';

/** Newest events of a room that one answer holds. */
const MAX_PER_ROOM = 100;
const FILTER = JSON.stringify({ room: { timeline: { limit: MAX_PER_ROOM } } });

export interface EventStreamQuery {
  /** Token of the answer before; without it only what comes from now on is told. */
  readonly from?: string | undefined;
  readonly timeoutMs: number;
  /** A room to watch without being in it. */
  readonly roomId?: string | undefined;
}

export interface EventStreamAnswer {
  readonly start: string;
  readonly end: string;
  readonly chunk: readonly JsonObject[];
}

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
    private readonly history: RoomHistoryReader,
    private readonly tokens: SyncTokens,
    private readonly presence: OwnPresence,
    private readonly sessions: OpenSessions,
    private readonly bus: Bus,
    private readonly clock: Clock,
    private readonly stopping: Stopping,
  ) {}

  /** @throws MatrixError 400 `M_INVALID_PARAM` for a bad token, 403 `M_FORBIDDEN` for a room that cannot be watched */
  async next(requester: Requester, query: EventStreamQuery, caller: { readonly signal: AbortSignal }): Promise<EventStreamAnswer> {
    if (query.roomId !== undefined) {
      const { isJoined, upTo } = await this.readers.of(requester.userId, query.roomId);
      if (!isJoined) {
        const session = this.sessions.hold(requester);
        try {
          return await this.#watch(requester, query.roomId, query.from ?? this.tokens.place(upTo), query.timeoutMs, caller.signal, session);
        } finally {
          session.release();
        }
      }
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

  async #watch(
    requester: Requester, roomId: string, from: string, timeoutMs: number, signal: AbortSignal, session: OpenSession,
  ): Promise<EventStreamAnswer> {
    const deadline = this.clock.steady() + timeoutMs;
    for (;;) {
      // Before it is read: what comes meanwhile must not be missed.
      const change = this.#changeOf(roomId, Math.max(0, deadline - this.clock.steady()), AbortSignal.any([signal, this.stopping.signal, session.signal]));
      try {
        const page = parseStoredJson(await this.history.messages(requester, roomId, { dir: 'f', from, limit: MAX_PER_ROOM })) as { chunk: JsonObject[]; end?: string };
        session.assertOpen();
        if (page.chunk.length > 0) return { start: from, end: page.end ?? this.tokens.place((await this.readers.of(requester.userId, roomId)).upTo), chunk: page.chunk };
        if (await change.happened) continue;
        session.assertOpen();
        return { start: from, end: from, chunk: [] };
      } finally {
        change.stop();
      }
    }
  }

  /** Resolves with true at the next commit in the room, with false when the time is up or the wait was ended. */
  #changeOf(roomId: string, timeoutMs: number, signal: AbortSignal): { readonly happened: Promise<boolean>; stop(): void } {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const end = (): void => resolve(false);
    const timer = setTimeout(end, timeoutMs);
    const unsubscribe = this.bus.subscribe((message) => {
      if (message.kind === 'room' && message.roomId === roomId) resolve(true);
    });
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    return {
      happened: promise,
      stop: () => {
        clearTimeout(timer);
        unsubscribe();
        signal.removeEventListener('abort', end);
      },
    };
  }
}
