import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { setTimeout as pause } from 'node:timers/promises';
import { Receipts } from '../ephemeral/receipts.js';
import { Log } from '../observability/log.js';
import { Pushers } from '../push/pushers/pushers.js';
import { Badges } from './badges.js';
import { PushSender } from './push-sender.js';
import { PushTurns } from './push-turns.js';

/** Accounts that have just read something; of more the oldest keep their number until the next push. */
const MAX_WAITING = 10_000;
/** Several rooms are often read at once. */
const GATHER_MS = 300;
const AT_ONCE = 20;

/** Tells the apps of people who read with another one how much is left. */
@Injectable()
export class BadgeUpdates implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #waiting = new Set<string>();
  #running: Promise<void> | undefined;
  #unsubscribe: (() => void) | undefined;
  #isStopped = false;

  constructor(
    private readonly receipts: Receipts,
    private readonly pushers: Pushers,
    private readonly badges: Badges,
    private readonly turns: PushTurns,
    private readonly sender: PushSender,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.#unsubscribe = this.receipts.onOwnChanged((userId) => {
      if (!this.pushers.isNotified(userId) || this.#waiting.size >= MAX_WAITING) return;
      this.#waiting.add(userId);
      this.#running ??= this.#work();
    });
  }

  async onModuleDestroy(): Promise<void> {
    this.#isStopped = true;
    this.#unsubscribe?.();
    await this.#running;
  }

  async #work(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#isStopped) {
      await pause(GATHER_MS, undefined, { ref: false });
      const batch = [...this.#waiting].slice(0, AT_ONCE);
      for (const userId of batch) this.#waiting.delete(userId);
      await Promise.all(batch.map((userId) => this.#update(userId).catch((error: unknown) => {
        if (!this.#isStopped) this.log.error('a count of what is unread could not be pushed', error, { userId });
      })));
    }
    this.#running = undefined;
  }

  async #update(userId: string): Promise<void> {
    if (!(await this.turns.isFirst(userId))) return;
    const [{ unread }, pushers] = await Promise.all([this.badges.of(userId), this.pushers.ofUsers([userId])]);
    await Promise.all(pushers.map((pusher) => this.sender.tellCount(pusher, unread)));
  }
}
