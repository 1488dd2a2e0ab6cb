import { Injectable } from '@nestjs/common';
import type { JsonObject } from '#federation';
import { parseStoredJson } from '#json';
import { type OpenSession, OpenSessions } from '../../accounts/open-sessions.js';
import type { Requester } from '../../accounts/requester.js';
import { Bus, type BusMessage, type StreamName } from '../../bus/bus.js';
import { Clock } from '../../observability/clock.js';
import { Stopping } from '../../observability/stopping.js';
import { visibilityOf } from '../../rooms/history/visibility-of.js';
import type { Room } from '../../rooms/room.js';
import { RoomHistoryReader } from '../history/room-history.js';
import { RoomReaders } from '../history/room-readers.js';
import { SyncNotifier } from '../notify/sync-notifier.js';
import type { SyncPositions } from '../sync-token.js';
import { SyncTokens } from '../sync-tokens.js';
import type { EventList, EventListQuery } from './event-list.js';
import { RoomEphemera } from './room-ephemera.js';

/** Newest events that one answer holds. */
const MAX_EVENTS = 100;
/** What is told of a room besides its events. */
const EPHEMERAL: ReadonlySet<StreamName> = new Set(['typing', 'receipts', 'presence']);

interface Page {
  readonly chunk: readonly JsonObject[];
  readonly end?: string;
}

/** One room for somebody who is not in it (peeking_events.yaml): its events as far as he may see them, and what is told beside them where all may look in. */
@Injectable()
export class RoomWatch {
  constructor(
    private readonly notifier: SyncNotifier,
    private readonly readers: RoomReaders,
    private readonly history: RoomHistoryReader,
    private readonly ephemera: RoomEphemera,
    private readonly tokens: SyncTokens,
    private readonly sessions: OpenSessions,
    private readonly bus: Bus,
    private readonly clock: Clock,
    private readonly stopping: Stopping,
  ) {}

  /** @throws MatrixError 400 `M_INVALID_PARAM` for a bad token, 403 `M_FORBIDDEN` for a room that cannot be watched */
  async next(requester: Requester, roomId: string, query: EventListQuery, signal: AbortSignal): Promise<EventList> {
    const session = this.sessions.hold(requester);
    try {
      return await this.#next(requester, roomId, query, signal, session);
    } finally {
      session.release();
    }
  }

  async #next(requester: Requester, roomId: string, query: EventListQuery, signal: AbortSignal, session: OpenSession): Promise<EventList> {
    const deadline = this.clock.steady() + query.timeoutMs;
    let read = await this.#start(requester.userId, roomId, query.from);
    const start = query.from ?? this.tokens.sync(read);
    for (;;) {
      const { room } = await this.readers.of(requester.userId, roomId);
      // Before it is read: what comes meanwhile must not be missed.
      const change = this.#changeOf(room, Math.max(0, deadline - this.clock.steady()), AbortSignal.any([signal, this.stopping.signal, session.signal]));
      try {
        const now = this.notifier.current();
        const page = await this.#page(requester, roomId, read.events, now);
        const isOpen = visibilityOf(room.state.get('m.room.history_visibility', '')) === 'world_readable';
        const chunk = [...page.chunk, ...(isOpen ? await this.ephemera.since(requester.userId, room, read, now) : [])];
        session.assertOpen();
        read = { ...now, events: page.end === undefined ? now.events : (await this.tokens.placeOf(page.end, 'f')).pos };
        if (chunk.length > 0) return { start, end: this.tokens.sync(read), chunk };
        // Where there is an end there is more.
        if (page.end !== undefined || (await change.happened)) continue;
        session.assertOpen();
        return { start, end: this.tokens.sync(read), chunk: [] };
      } finally {
        change.stop();
      }
    }
  }

  async #start(userId: string, roomId: string, from: string | undefined): Promise<SyncPositions> {
    const now = this.notifier.current();
    if (from === undefined) return { ...now, events: (await this.readers.of(userId, roomId)).upTo };
    // The place of a page says nothing of the other streams: they begin here.
    const { pos, positions = now } = await this.tokens.placeOf(from, 'f');
    return { ...positions, events: pos };
  }

  async #page(requester: Requester, roomId: string, from: number, now: SyncPositions): Promise<Page> {
    if (from >= now.events) return { chunk: [] };
    const query = { dir: 'f', from: this.tokens.place(from), to: this.tokens.place(now.events), limit: MAX_EVENTS } as const;
    return parseStoredJson(await this.history.messages(requester, roomId, query)) as unknown as Page;
  }

  /** Resolves with true when there may be news of the room, with false when the time is up or the wait was ended. */
  #changeOf(room: Room, timeoutMs: number, signal: AbortSignal): { readonly happened: Promise<boolean>; stop(): void } {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const end = (): void => resolve(false);
    const timer = setTimeout(end, timeoutMs);
    const unsubscribe = this.bus.subscribe((message) => {
      if (concerns(message, room)) resolve(true);
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

function concerns(message: BusMessage, room: Room): boolean {
  if (message.kind === 'room') return message.roomId === room.id;
  return EPHEMERAL.has(message.stream) && message.users.some((userId) => room.state.joined.has(userId));
}
