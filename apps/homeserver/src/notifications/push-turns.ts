import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { z } from 'zod';
import { Config } from '../config/config.js';
import { EduHandlers } from '../federation/edu-handlers.js';
import { EduOutbox } from '../federation/outbox/edu-outbox.js';
import { Destinations } from '../federation/outgoing/destinations.js';
import { SharedAccounts } from '../homes/ops/shared-accounts.js';
import { HomeRecords } from '../homes/records/home-records.js';
import { Clock } from '../observability/clock.js';
import { appIdSchema, type PusherName, pushkeySchema } from '../push/pushers/pusher-content.js';
import { boundedCache } from '../storage/bounded-cache.js';
import type { Transaction } from '../storage/database.js';
import type { Push } from './pushes.store.js';

/** A home waits so long for each one before it (protocol §4, "Pushes"). */
export const TAKE_OVER_MS = 15_000;
/** Events that are older may have been pushed while this home was away. */
const LATE_MS = 60_000;
/** What other homes have pushed, of which the events are not here yet. */
const MAX_TOLD = 50_000;
const MAX_HOLD_MS = 2 * 3_600_000;
const EDU = 'io.partyline.pushed';

const toldSchema = z.object({
  user_id: z.string().max(255), app_id: appIdSchema, pushkey: pushkeySchema,
  event_ids: z.array(z.string().max(255)).max(100).optional(),
  hold_ms: z.number().min(0).optional(),
});

type PusherKey = PusherName & { readonly userId: string };

/** Hears what another home has pushed, or tries to. */
export interface TurnsListener {
  pushed(pusher: PusherKey, eventIds: readonly string[]): Promise<void>;
  /** @param until by the steady clock */
  holds(pusher: PusherKey, until: number): Promise<void>;
}

/**
 * Which home of an account pushes: the first one by the record that is alive. Each home notes what is to be pushed; the ones behind
 * wait 15 seconds for each one before them, and send what none of them has told to be sent.
 */
@Injectable()
export class PushTurns implements OnApplicationBootstrap {
  /** Homes whose turn another one has taken, and when, by the wall clock: silent until they are heard again. */
  readonly #silent = boundedCache<string, number>(1_000);
  /** Of those, which were heard again, and when, by the steady clock. */
  readonly #returned = boundedCache<string, number>(1_000);
  readonly #told = boundedCache<string, true>(MAX_TOLD);
  readonly #startedAt: number;
  #listener: TurnsListener | undefined;

  constructor(
    private readonly config: Config,
    private readonly shared: SharedAccounts,
    private readonly records: HomeRecords,
    private readonly destinations: Destinations,
    private readonly edus: EduHandlers,
    private readonly outbox: EduOutbox,
    private readonly clock: Clock,
  ) {
    this.#startedAt = clock.steady();
  }

  onApplicationBootstrap(): void {
    this.edus.register(EDU, (origin, content) => this.#hear(origin, content));
  }

  listen(listener: TurnsListener): void {
    this.#listener = listener;
  }

  /**
   * Milliseconds that this home waits before it pushes for an account.
   *
   * @param ts milliseconds, when the event was made
   */
  async wait(userId: string, ts: number): Promise<number> {
    if (this.shared.others(userId).length === 0) return 0;
    const living = (await this.#before(userId)).filter((home) => !this.#isSilent(home));
    const now = this.clock.steady();
    // Another home may have had its turn while this one was away, and be about to tell; or it has just come back, and waits for that itself.
    const mayBeDone = now - this.#startedAt < TAKE_OVER_MS || this.clock.now() - ts > LATE_MS
      || living.some((home) => now - (this.#returned.get(home) ?? -Infinity) < 2 * TAKE_OVER_MS);
    return (living.length + (mayBeDone ? 1 : 0)) * TAKE_OVER_MS;
  }

  /** Whether it is this home that pushes for the account, as far as it knows. */
  async isFirst(userId: string): Promise<boolean> {
    return (await this.#before(userId)).every((home) => this.#isSilent(home));
  }

  /** Whether another home has told that it has pushed this. */
  isDone(pusher: PusherKey, eventId: string): boolean {
    return this.#told.has(keyOf(pusher, eventId));
  }

  /** This home is about to push what those before it have not: whoever was not heard meanwhile is silent. */
  async takenOver(push: Push): Promise<void> {
    for (const home of await this.#before(push.userId)) {
      if (this.destinations.lastContact(home) < push.madeTs) this.#silent.set(home, this.clock.now());
    }
  }

  /** Tells the other homes, with the transaction that notes that it is done. */
  async tellDone(tx: Transaction, pusher: PusherKey, eventIds: readonly string[]): Promise<void> {
    const content = { ...named(pusher), event_ids: eventIds };
    await this.outbox.sendReliable(tx, this.shared.others(pusher.userId), { edu_type: EDU, content });
  }

  /** Tells them that this home goes on trying. */
  async tellHold(tx: Transaction, pusher: PusherKey, nextMs: number): Promise<void> {
    const content = { ...named(pusher), hold_ms: nextMs + TAKE_OVER_MS };
    await this.outbox.sendReliable(tx, this.shared.others(pusher.userId), { edu_type: EDU, content }, { key: JSON.stringify([EDU, pusher.userId, pusher.appId, pusher.pushkey]) });
  }

  async #hear(origin: string, content: Record<string, unknown>): Promise<void> {
    const told = toldSchema.safeParse(content).data;
    if (!told || !this.shared.others(told.user_id).includes(origin)) return;
    const pusher = { userId: told.user_id, appId: told.app_id, pushkey: told.pushkey };
    for (const eventId of told.event_ids ?? []) this.#told.set(keyOf(pusher, eventId), true);
    if (told.event_ids?.length) await this.#listener?.pushed(pusher, told.event_ids);
    if (told.hold_ms !== undefined) await this.#listener?.holds(pusher, this.clock.steady() + Math.min(Math.round(told.hold_ms), MAX_HOLD_MS));
  }

  /** Homes that come before this one, by priority and their place in the record. */
  async #before(userId: string): Promise<string[]> {
    const others = this.shared.others(userId);
    if (others.length === 0) return [];
    const homes = (await this.records.get(userId))?.homes ?? [];
    const inOrder = homes.map((home, at) => ({ ...home, at })).sort((a, b) => a.priority - b.priority || a.at - b.at).map((home) => home.server_name);
    return inOrder.slice(0, Math.max(0, inOrder.indexOf(this.config.serverName))).filter((home) => others.includes(home));
  }

  #isSilent(home: string): boolean {
    const since = this.#silent.get(home);
    if (since === undefined) return false;
    if (this.destinations.lastContact(home) <= since) return true;
    this.#silent.delete(home);
    this.#returned.set(home, this.clock.steady());
    return false;
  }
}

function named({ userId, appId, pushkey }: PusherKey): { user_id: string; app_id: string; pushkey: string } {
  return { user_id: userId, app_id: appId, pushkey };
}

function keyOf({ userId, appId, pushkey }: PusherKey, eventId: string): string {
  return JSON.stringify([userId, appId, pushkey, eventId]);
}
