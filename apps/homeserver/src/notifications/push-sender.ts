import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { FairSlots, fairLimits } from '../federation/outgoing/fair-slots.js';
import { Clock } from '../observability/clock.js';
import { Log } from '../observability/log.js';
import type { PusherName } from '../push/pushers/pusher-content.js';
import type { Pusher } from '../push/pushers/pusher.entity.js';
import { Pushers } from '../push/pushers/pushers.js';
import { boundedCache } from '../storage/bounded-cache.js';
import { Database } from '../storage/database.js';
import { DueRows } from '../storage/due-rows.js';
import { Badges } from './badges.js';
import { PushDelivery } from './push-delivery.js';
import type { PushOutcome } from './push-gateway.js';
import { PushTurns, TAKE_OVER_MS } from './push-turns.js';
import { type Push, PushesStore } from './pushes.store.js';

/** Pushers that are at work, or wait for their turn. */
const MAX_RUNNING = 500;
/** Pushes that are sent at once, over all gateways. */
const AT_ONCE = 64;
/** Of one pusher, in one go. */
const MAX_IN_A_ROW = 20;
const MAX_RETRY_MS = 3_600_000;

/** Pushers of which the count is known that they show. */
const MAX_COUNTS = 100_000;

type PusherKey = PusherName & { readonly userId: string };

/** Sends what is due, each pusher's one after the other: what fails is tried again, less and less often, and outlives the process. */
@Injectable()
export class PushSender implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #due: DueRows;
  readonly #running = new Map<string, Promise<void>>();
  readonly #slots = new FairSlots(fairLimits(AT_ONCE));
  /** What each pusher was told last of what is unread. */
  readonly #counts = boundedCache<string, number>(MAX_COUNTS);

  constructor(
    private readonly store: PushesStore,
    private readonly pushers: Pushers,
    private readonly badges: Badges,
    private readonly delivery: PushDelivery,
    private readonly turns: PushTurns,
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.#due = new DueRows(() => this.#look(), () => this.clock.steady(), (error) => this.log.error('pushes could not be looked for', error));
    turns.listen({
      pushed: (pusher, eventIds) => this.store.doneElsewhere(pusher, eventIds),
      holds: (pusher, until) => this.store.hold(pusher, until),
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    const now = this.clock.steady();
    await this.store.resume({ push: now + 2 * TAKE_OVER_MS, pusher: now + MAX_RETRY_MS });
    this.wake();
  }

  async onModuleDestroy(): Promise<void> {
    await this.#due.stop();
    await Promise.allSettled(this.#running.values());
  }

  /** There may be something to send. */
  wake(): void {
    this.#due.wake();
  }

  /** Tells how much is unread, if that is another number than before. It is not tried again: the next push tells it, too. */
  async tellCount(pusher: Pusher, unread: number): Promise<void> {
    const key = keyOf(pusher);
    // What is on its way tells it.
    if (!this.delivery.takesCounts(pusher) || this.#counts.get(key) === unread || this.#running.has(key)) return;
    const outcome = await this.#try(pusher, null, unread);
    if (outcome === 'rejected') await this.pushers.remove(pusher.userId, [pusher]);
  }

  async #look(): Promise<number | null> {
    const now = this.clock.steady();
    for (const pusher of await this.store.due(now, 2 * MAX_RUNNING)) {
      if (this.#running.size >= MAX_RUNNING || this.#due.stopped) break;
      const key = keyOf(pusher);
      if (this.#running.has(key)) continue;
      this.#running.set(key, this.#run(pusher)
        .catch((error: unknown) => {
          if (!this.#due.stopped) this.log.error('a push could not be sent', error, { userId: pusher.userId });
        })
        .finally(() => {
          this.#running.delete(key);
          this.wake();
        }));
    }
    return this.store.next(now);
  }

  async #run(key: PusherKey): Promise<void> {
    const pusher = await this.pushers.get(key.userId, key);
    if (!pusher) return;
    const pushes = await this.store.first(key, this.clock.steady(), MAX_IN_A_ROW);
    // What it was due for has gone, or waits for longer.
    if (pushes.length === 0) await this.db.transaction((tx) => this.store.done(tx, key, []));
    for (const push of pushes) {
      if (this.#due.stopped || !(await this.#send(pusher, push))) return;
    }
  }

  /** @returns whether the next one may follow */
  async #send(pusher: Pusher, push: Push): Promise<boolean> {
    const badge = await this.badges.of(pusher.userId);
    if (!badge.isWanted(push) || this.turns.isDone(pusher, push.eventId)) {
      await this.db.transaction((tx) => this.store.done(tx, pusher, [push.nid]));
      return true;
    }
    await this.turns.takenOver(push);
    const outcome = await this.#try(pusher, push, badge.unread);
    if (outcome === 'rejected') {
      await this.pushers.remove(pusher.userId, [pusher]);
      return false;
    }
    if (outcome === 'sent') {
      await this.db.transaction(async (tx) => {
        await this.store.done(tx, pusher, [push.nid]);
        await this.turns.tellDone(tx, pusher, [push.eventId]);
      });
      return true;
    }
    await this.db.transaction(async (tx) => {
      const now = { wall: this.clock.now(), steady: this.clock.steady() };
      const nextAt = await this.store.failed(tx, pusher, now);
      if (nextAt !== undefined) await this.turns.tellHold(tx, pusher, nextAt - now.steady);
    });
    return false;
  }

  async #try(pusher: Pusher, push: Push | null, unread: number): Promise<PushOutcome> {
    const destination = this.delivery.hostOf(pusher);
    try {
      const outcome = await this.#slots.run({ account: pusher.userId, destination }, () =>
        (push ? this.delivery.send(pusher, push, unread) : this.delivery.sendCount(pusher, unread)));
      if (outcome === 'sent') this.#counts.set(keyOf(pusher), unread);
      return outcome;
    } catch (error) {
      this.log.debug('a push gateway could not be reached', { destination, error: String(error) });
      return 'failed';
    }
  }
}

function keyOf({ userId, appId, pushkey }: PusherKey): string {
  return JSON.stringify([userId, appId, pushkey]);
}
