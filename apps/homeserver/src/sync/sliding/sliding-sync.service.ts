import { Inject, Injectable, Optional } from '@nestjs/common';
import { type OpenSession, OpenSessions } from '../../accounts/open-sessions.js';
import { OwnPresence } from '../../ephemeral/presence/own-presence.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { RateLimits } from '../../http/rate-limits.js';
import { Clock } from '../../observability/clock.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { SyncNotifier } from '../notify/sync-notifier.js';
import { ResumePoints } from '../resume-points.js';
import { MAX_TIMEOUT_MS } from '../sync.service.js';
import { SyncTokens } from '../sync-tokens.js';
import { SyncTurns } from '../sync-turns.js';
import { type ConnectionState, newState, resumedState, withEnded } from './connection-state.js';
import type { ConnectionKey } from './connection-key.js';
import { Connections, type OpenConnection } from './connections.js';
import { type SlidingAnswer, SlidingEngine } from './sliding-engine.js';
import type { SlidingRequest } from './sliding-request.js';

/** Sliding sync (MSC4186): an answer, now or when there is something to tell. */
@Injectable()
export class SlidingSyncService {
  constructor(
    private readonly engine: SlidingEngine,
    private readonly connections: Connections,
    private readonly notifier: SyncNotifier,
    private readonly memberships: Memberships,
    private readonly tokens: SyncTokens,
    private readonly sessions: OpenSessions,
    private readonly turns: SyncTurns,
    private readonly presence: OwnPresence,
    private readonly limits: RateLimits,
    private readonly clock: Clock,
    @Optional() @Inject(ResumePoints) private readonly resumePoints: ResumePoints | null,
  ) {}

  /**
   * @param caller who may go away: the wait ends then, and what is returned is of no interest
   * @returns the answer's JSON text
   * @throws MatrixError 400 M_UNKNOWN_POS for a `pos` that is not the last one of this device's connection; 401 when the session ends meanwhile
   */
  async sync(request: SlidingRequest, caller: { readonly signal: AbortSignal }): Promise<{ text: string; isEmpty: boolean }> {
    const session = this.sessions.hold(request.requester);
    this.presence.seen(request.requester, request.setPresence, Math.min(request.timeoutMs, MAX_TIMEOUT_MS));
    try {
      const answer = await this.#answer(request, caller, session);
      session.assertOpen();
      if (request.timeoutMs > 0) this.presence.seen(request.requester, request.setPresence);
      return answer;
    } finally {
      session.release();
    }
  }

  async #answer(request: SlidingRequest, caller: { readonly signal: AbortSignal }, session: OpenSession): Promise<{ text: string; isEmpty: boolean }> {
    const { requester: { userId } } = request;
    const { connection, isFirst } = await this.#connection(request);
    const number = connection.begin();
    try {
      const lazy = { client: connection.client, since: connection.number, next: number };
      const deadline = this.clock.steady() + (isFirst ? 0 : Math.min(request.timeoutMs, MAX_TIMEOUT_MS));
      let state = connection.isBehind ? withEnded(connection.state, await this.#endedSince(userId, connection.state)) : connection.state;
      for (;;) {
        const asked = state;
        const answer = await this.turns.run(userId, isFirst, () => this.engine.answer({ request, state: asked, isFirst, lazy }));
        state = answer.state;
        const left = deadline - this.clock.steady();
        if (!answer.isEmpty || left <= 0) return this.#given(connection, number, answer);
        // What came while it was made is ahead of it.
        const isNews = this.notifier.ahead(userId, state.positions).length > 0 || (await this.notifier.wait(userId, left, caller.signal, session.signal));
        if (isNews) continue;
        if (!caller.signal.aborted) return this.#given(connection, number, answer);
        connection.cancel(number);
        return { text: '', isEmpty: true };
      }
    } catch (error) {
      connection.cancel(number);
      throw error;
    }
  }

  #given(connection: OpenConnection, number: number, { parts, state, isEmpty }: SlidingAnswer): { text: string; isEmpty: boolean } {
    const pos = this.tokens.answer({ ...state.positions, to_device: state.toDevice }, connection.give(number, state));
    return { text: `{${[`"pos":"${pos}"`, ...parts].join(',')}}`, isEmpty };
  }

  /** Where the client goes on, or begins. */
  async #connection(request: SlidingRequest): Promise<{ connection: OpenConnection; isFirst: boolean }> {
    const { requester: { userId, deviceId }, connId, pos } = request;
    const key: ConnectionKey = { userId, deviceId: deviceId ?? '', connId };
    if (pos === undefined) {
      this.limits.take('whole-sync', userId);
      return { connection: this.connections.open(key, newState(this.notifier.current())), isFirst: true };
    }
    const answer = await this.tokens.answerOf(pos);
    if (answer && 'resumeId' in answer) {
      const state = await this.#resumed(userId, answer.resumeId);
      if (state) return { connection: this.connections.open(key, state), isFirst: false };
    }
    const connection = answer && 'connection' in answer ? await this.connections.find(key, answer) : undefined;
    if (!connection) throw new MatrixError(400, 'M_UNKNOWN_POS', 'This position is not, or no longer, one of this connection: begin a new one');
    return { connection, isFirst: false };
  }

  /** Rooms that the client may have been told of since, and that it is not in any more. */
  async #endedSince(userId: string, { moment }: ConnectionState): Promise<number[]> {
    const rooms = [...(await this.memberships.roomsOf(userId)).values()];
    return rooms.filter((room) => hasEnded(room, moment.events)).map(({ roomNid }) => roomNid);
  }

  async #resumed(userId: string, resumeId: string): Promise<ConnectionState | undefined> {
    const cursor = await this.resumePoints?.load(userId, resumeId);
    if (!cursor) return undefined;
    const rooms = [...(await this.memberships.roomsOf(userId)).values()];
    const named = new Map(rooms.map(({ roomId, roomNid }) => [roomId, roomNid]));
    return resumedState(cursor, { named, left: rooms.filter((room) => hasEnded(room, cursor.positions.events)).map(({ roomNid }) => roomNid) });
  }
}

function hasEnded({ membership, pos }: RoomMembership, after: number): boolean {
  return (membership === 'leave' || membership === 'ban') && pos > after;
}
