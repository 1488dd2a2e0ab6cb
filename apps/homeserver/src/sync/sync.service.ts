import { Inject, Injectable, Optional } from '@nestjs/common';
import { type OpenSession, OpenSessions } from '../accounts/open-sessions.js';
import type { Requester } from '../accounts/requester.js';
import { ToDeviceInbox } from '../device-keys/to-device/to-device-inbox.js';
import { OwnPresence } from '../ephemeral/presence/own-presence.js';
import type { PresenceName } from '../ephemeral/presence/presence-state.js';
import { MatrixError } from '../errors/matrix-error.js';
import { RateLimits } from '../http/rate-limits.js';
import { Clock } from '../observability/clock.js';
import { DiskFull } from '../storage/database-errors.js';
import { positionsBy } from '../storage/positions-text.js';
import { SyncEngine } from './engine/sync-engine.js';
import type { SyncRequest } from './engine/sync-request.js';
import { Filters } from './filter/filters.js';
import { SyncNotifier } from './notify/sync-notifier.js';
import { ResumePoints } from './resume-points.js';
import type { SyncCursor } from './sync-token.js';
import { SyncTokens } from './sync-tokens.js';
import { SyncTurns } from './sync-turns.js';

/** Longest wait of one request. */
export const MAX_TIMEOUT_MS = 5 * 60_000;

/** The parameters of `/sync`, validated. */
export interface SyncParameters {
  readonly since?: string;
  readonly filter?: string;
  readonly fullState: boolean;
  readonly useStateAfter: boolean;
  /** `set_presence`: what the device's user is by asking; undefined for the default. */
  readonly setPresence?: PresenceName | undefined;
  /** What the client calls `state_after`. */
  readonly stateAfterName?: string;
  /** Milliseconds to wait for news. */
  readonly timeoutMs: number;
  /** Whether `io.partyline.frontier` is wanted. */
  readonly frontier: boolean;
}

/** `/sync`: an answer, now or when there is something to tell. */
@Injectable()
export class SyncService {
  constructor(
    private readonly engine: SyncEngine,
    private readonly notifier: SyncNotifier,
    private readonly filters: Filters,
    private readonly toDevice: ToDeviceInbox,
    private readonly tokens: SyncTokens,
    private readonly sessions: OpenSessions,
    private readonly turns: SyncTurns,
    private readonly presence: OwnPresence,
    private readonly limits: RateLimits,
    private readonly clock: Clock,
    @Optional() @Inject(ResumePoints) private readonly resumePoints: ResumePoints | null,
  ) {}

  /**
   * The answer to a device that does not wait and goes on where it was, if there is nothing new. It is made at once and without a
   * query; undefined for all other requests.
   *
   * @returns the answer's JSON text
   */
  unchanged({ since, filter, fullState, timeoutMs, setPresence }: SyncParameters, requester: Requester): string | undefined {
    const { userId, deviceId } = requester;
    this.presence.seen(requester, setPresence, timeoutMs);
    if (timeoutMs > 0 || fullState || since === undefined || deviceId === null) return undefined;
    const start = this.tokens.given(requester, since);
    if (!start || start.awaited || start.behind || this.notifier.isAhead(userId, start.positions)) return undefined;
    if (!this.filters.isHeld(userId, filter) || this.toDevice.mayHold(userId, deviceId)) return undefined;
    return this.engine.emptyAt(since, userId, deviceId);
  }

  /**
   * @param caller who may go away: the wait ends then, and what is returned is of no interest
   * @returns the answer's JSON text
   * @throws MatrixError 400 M_INVALID_PARAM for a bad token or filter; 401 when the session ends meanwhile
   */
  async sync(
    requester: Requester, parameters: SyncParameters, caller: { readonly signal: AbortSignal },
  ): Promise<{ text: string; isEmpty: boolean }> {
    const session = this.sessions.hold(requester);
    this.presence.seen(requester, parameters.setPresence, Math.min(parameters.timeoutMs, MAX_TIMEOUT_MS));
    try {
      const answer = await this.#answer(requester, parameters, caller, session);
      session.assertOpen();
      if (parameters.timeoutMs > 0) this.presence.seen(requester, parameters.setPresence);
      return answer;
    } finally {
      session.release();
    }
  }

  async #answer(
    requester: Requester, parameters: SyncParameters, caller: { readonly signal: AbortSignal }, session: OpenSession,
  ): Promise<{ text: string; isEmpty: boolean }> {
    const request = await this.#request(requester, parameters);
    await this.#acknowledge(request);
    // What an answer had no place for is told by the next one.
    const isContinued = request.since?.behind !== undefined;
    const isOnce = request.since === null || request.since.resume !== undefined || request.fullState || isContinued;
    if (isOnce && !isContinued) this.limits.take('whole-sync', requester.userId);
    const deadline = this.clock.steady() + (isOnce ? 0 : Math.min(parameters.timeoutMs, MAX_TIMEOUT_MS));
    let current = request;
    for (;;) {
      const since = current.since?.positions;
      if (isOnce || since === undefined || this.notifier.ahead(requester.userId, since).length > 0) {
        const asked = current;
        const answer = await this.turns.run(requester.userId, isOnce, () => this.engine.answer(asked));
        if (isOnce || !answer.isEmpty) return answer;
        // What was new does not concern the client (filters): go on from there.
        current = { ...current, since: { positions: answer.next, awaited: current.since?.awaited } };
        continue;
      }
      const left = deadline - this.clock.steady();
      if (left <= 0 || !(await this.notifier.wait(requester.userId, left, caller.signal, session.signal))) {
        return { text: await this.engine.empty(current, since), isEmpty: true };
      }
    }
  }

  async #request(requester: Requester, parameters: SyncParameters): Promise<SyncRequest> {
    const [since, filter] = await Promise.all([
      this.#cursor(requester, parameters.since),
      this.filters.resolve(requester.userId, parameters.filter),
    ]);
    return {
      userId: requester.userId,
      deviceId: requester.deviceId,
      requester,
      since,
      fullState: parameters.fullState,
      useStateAfter: parameters.useStateAfter,
      stateAfterName: parameters.stateAfterName,
      filter,
      frontier: parameters.frontier,
    };
  }

  async #cursor(requester: Requester, since: string | undefined): Promise<SyncCursor | null> {
    if (since === undefined || since === '') return null;
    const start = this.tokens.given(requester, since) ?? (await this.tokens.start(since));
    if ('positions' in start) {
      const isOver = start.awaited !== undefined && start.awaited.until <= this.clock.steady();
      return isOver ? { ...start, awaited: undefined } : start;
    }
    const cursor = await this.resumePoints?.load(requester.userId, start.resumeId);
    if (!cursor && start.isLost) return { positions: positionsBy(() => 0), resume: { rooms: new Map(), isFresh: true } };
    if (!cursor) throw new MatrixError(400, 'M_UNKNOWN_POS', 'This resume point is unknown or has expired');
    return cursor;
  }

  /** Who comes with a token has received what the answer before it held. */
  async #acknowledge({ userId, deviceId, since }: SyncRequest): Promise<void> {
    if (!since || since.resume || deviceId === null) return;
    try {
      await this.toDevice.acknowledge(userId, deviceId, since.positions.to_device);
    } catch (error) {
      // Reading goes on without room on the disk: the next token acknowledges them, too.
      if (!(error instanceof DiskFull)) throw error;
    }
  }
}
