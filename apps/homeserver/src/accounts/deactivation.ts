import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { Clock } from '../observability/clock.js';
import { Log } from '../observability/log.js';
import { Database } from '../storage/database.js';
import { isUnavailable } from '../storage/database-errors.js';
import { AccountOps, type RemoteChange } from './account-ops.js';
import { AccountErasureStore } from './account-erasure.store.js';
import { AccountStore } from './account.store.js';
import { AccessTokens } from './access-tokens.js';
import { Devices } from './devices.js';
import { Profiles } from './profiles.js';

/** Who comes back waits for so long until what was is gone. */
const MAX_REVIVAL_MS = 10_000;

/** So long an account that another home has ended can be opened again by its key. */
const CLOSED_FOR_MS = 7 * 24 * 3_600_000;
const LOOK_EVERY_MS = 3_600_000;
/** Between two tries to finish what the database did not let through. */
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 60_000;

export interface DeactivationOptions {
  /** The person asked to have as much as possible erased. */
  readonly erase: boolean;
}

/** `POST …/account/deactivate`. */
export interface EndRequest extends DeactivationOptions {
  /** The last record, where the client holds the account key. */
  readonly record?: unknown;
}

/** Publishes the account's last record, if there can be one, and returns what it says. */
export type EndAnnouncer = (userId: string, request: EndRequest) => Promise<DeactivationOptions>;

type DeactivationListener = (userId: string, options: DeactivationOptions) => Promise<void>;

/**
 * Ends an account for good, at all its homes. Its name stays taken. Where the account's key says so itself the record that ends it
 * tells the others; else an operation does (docs/protocol.md, "Deactivation").
 */
@Injectable()
export class Deactivation implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  readonly #listeners = new Set<DeactivationListener>();
  #timer: NodeJS.Timeout | undefined;
  #announce: EndAnnouncer = (_userId, request) => Promise.resolve(request);
  /** What is being done for accounts that have ended. */
  readonly #stopped = new AbortController();
  readonly #finishing = new Map<string, Promise<void>>();

  constructor(
    private readonly store: AccountStore,
    private readonly tokens: AccessTokens,
    private readonly devices: Devices,
    private readonly profiles: Profiles,
    private readonly erasure: AccountErasureStore,
    private readonly ops: AccountOps,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.ops.register('deactivation', {
      merge: 'own',
      apply: (change) => this.#apply(change),
      snapshot: async (userId) => {
        const ended = await this.store.ended(userId);
        // What only another home has said is that one's operation.
        return ended && ended.closedBy === null ? [{ kind: 'deactivation', key: '', value: { erase: ended.isErased, epoch: ended.epoch } }] : [];
      },
    });
  }

  /** What was begun when this server stopped; and in time what other homes have said. */
  async onApplicationBootstrap(): Promise<void> {
    await this.#finishAll();
    this.#timer = setInterval(() => {
      this.#finishAll().catch((error: unknown) => this.log.error('ended accounts could not be read', error));
    }, LOOK_EVERY_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.#timer);
    this.#stopped.abort();
  }

  async #finishAll(): Promise<void> {
    for (const { userId, isErased } of await this.store.ending(this.clock.now() - CLOSED_FOR_MS)) {
      if (!this.#finishing.has(userId)) this.#finishLater(userId, { erase: isErased });
    }
  }

  /** Lets the account's key say so, too, where it is held. Called when the server starts. */
  announceThrough(announce: EndAnnouncer): void {
    this.#announce = announce;
  }

  /**
   * At the word of the owner.
   *
   * @throws MatrixError 400 `M_BAD_JSON`, 403 `M_FORBIDDEN` for a record that does not end the account
   */
  async end(userId: string, request: EndRequest): Promise<void> {
    await this.deactivate(userId, await this.#announce(userId, request));
  }

  /** Logs out first, so that the account cannot act any more; then the listeners leave its rooms and erase its data. */
  async deactivate(userId: string, options: DeactivationOptions): Promise<void> {
    await this.begin(userId, options);
    await this.#finishing.get(userId);
  }

  /** The same; resolves when the account cannot act any more, and does the rest by itself. */
  async begin(userId: string, options: DeactivationOptions): Promise<void> {
    const isDone = await this.db.transaction(async (tx) => {
      const epoch = await this.store.deactivate(tx, userId, this.clock.now(), options.erase);
      if (epoch === undefined) return false;
      await this.ops.record(tx, userId, [{ kind: 'deactivation', key: '', value: { erase: options.erase, epoch } }]);
      tx.afterCommit(() => this.#finishLater(userId, options));
      return true;
    });
    if (isDone) await this.tokens.revokeAll(userId);
  }

  /** An account that was here has ended elsewhere: what it left behind goes, too. */
  async erase(userId: string, options: DeactivationOptions): Promise<void> {
    for (const listener of this.#listeners) await listener(userId, options);
    await this.erasure.eraseAll(userId);
  }

  /** The person has come back by the recovery key; nothing of what was is left. */
  async revive(userId: string, epoch: number): Promise<void> {
    const finishing = this.#finishing.get(userId);
    if (finishing) await Promise.race([finishing, pause(MAX_REVIVAL_MS, undefined, { ref: false })]);
    await this.store.revive(userId, epoch);
  }

  /** Called once per deactivated account, e.g. to leave its rooms; once more after a crash. */
  onDeactivated(listener: DeactivationListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #finishLater(userId: string, options: DeactivationOptions): void {
    const finishing = this.#untilFinished(userId, options)
      .catch((error: unknown) => this.log.error('the end of an account was not finished', error, { userId }))
      .finally(() => this.#finishing.delete(userId));
    this.#finishing.set(userId, finishing);
  }

  /** However much the database is in the way. */
  async #untilFinished(userId: string, options: DeactivationOptions): Promise<void> {
    const { signal } = this.#stopped;
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      try {
        return await this.#finish(userId, options);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
      }
      await pause(pauseMs, undefined, { ref: false, signal }).catch(() => undefined);
    }
  }

  async #finish(userId: string, options: DeactivationOptions): Promise<void> {
    await this.tokens.revokeAll(userId);
    const devices = await this.devices.list(userId);
    await this.devices.delete(userId, devices.map(({ deviceId }) => deviceId));
    for (const listener of this.#listeners) await listener(userId, options);
    for (const key of Object.keys(await this.profiles.get(userId))) await this.profiles.set(userId, key, undefined);
    // Rooms take long, and the person may have come back.
    if (!(await this.store.ended(userId))) return;
    await this.erasure.eraseAll(userId);
    await this.store.hasEnded(userId);
  }

  /** The account's key has named its homes anew: the word of one that is none any more ends nothing. */
  async reopen(userId: string, homes: readonly string[]): Promise<void> {
    await this.store.reopen(userId, homes);
  }

  /**
   * Another home's word. It does not hold for somebody who has come back since by the recovery key; and as one home may lie, it only
   * closes the account: nothing is left or erased for a week, and a record without that home opens it again.
   */
  async #apply({ userId, value, home }: RemoteChange): Promise<void> {
    const { erase, epoch } = (value ?? {}) as { erase?: unknown; epoch?: unknown };
    if (typeof epoch !== 'number' || epoch < (await this.store.epoch(userId))) return;
    if (await this.store.close(userId, this.clock.now(), erase === true, home)) await this.tokens.revokeAll(userId);
  }
}
