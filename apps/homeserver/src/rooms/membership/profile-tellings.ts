import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { ProfileStore } from '../../accounts/profile.store.js';
import { isShownInRooms, Profiles } from '../../accounts/profiles.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';
import { Log } from '../../observability/log.js';
import { isUnavailable } from '../../storage/database-errors.js';
import { MemberChanges } from './member-changes.js';
import { Memberships } from './memberships.js';

/** Between two tries to show what the database did not let through. */
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 60_000;

/** Shows the new name or picture of an account in its rooms; what is still to be shown is stored with the change. */
@Injectable()
export class ProfileTellings implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  readonly #queue = new KeyedQueue();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #isStopped = false;

  constructor(
    private readonly profiles: Profiles,
    private readonly store: ProfileStore,
    private readonly memberships: Memberships,
    private readonly changes: MemberChanges,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.profiles.onChanged(async (userId, key) => {
      if (isShownInRooms(key)) await this.#tell(userId);
    });
  }

  /** What a crash or the end of the server came between. */
  async onApplicationBootstrap(): Promise<void> {
    for (const userId of await this.store.untold()) this.#later(userId, 0, FIRST_PAUSE_MS);
  }

  async onModuleDestroy(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  /** Resolves when it is shown, or will be tried again. */
  async #tell(userId: string, nextPauseMs = FIRST_PAUSE_MS): Promise<void> {
    try {
      await this.#queue.run(userId, () => this.#show(userId));
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      this.#later(userId, nextPauseMs, Math.min(2 * nextPauseMs, MAX_PAUSE_MS));
    }
  }

  #later(userId: string, pauseMs: number, nextPauseMs: number): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timers.get(userId));
    this.#timers.set(userId, setTimeout(() => {
      this.#timers.delete(userId);
      this.#tell(userId, nextPauseMs).catch((error: unknown) => this.log.error('a profile was not shown in rooms', error));
    }, pauseMs).unref());
  }

  /** One room's refusal (no right to send, a room held elsewhere) does not keep the others from being told. */
  async #show(userId: string): Promise<void> {
    const changes = await this.store.untoldChanges(userId);
    if (changes === undefined) return;
    for (const { roomId, membership } of (await this.memberships.roomsOf(userId)).values()) {
      if (membership !== 'join') continue;
      try {
        await this.changes.refresh(roomId, userId);
      } catch (error) {
        if (isUnavailable(error)) throw error;
        if (!(error instanceof MatrixError)) this.log.error('a room was not told of an account change', error, { roomId });
      }
    }
    await this.store.told(userId, changes);
  }
}
