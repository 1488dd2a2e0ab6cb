import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { hash } from 'node:crypto';
import type { JsonObject } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Deactivation } from '../../accounts/deactivation.js';
import type { Requester } from '../../accounts/requester.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';
import { Log } from '../../observability/log.js';
import { Random } from '../../observability/random.js';
import { isUnavailable } from '../../storage/database-errors.js';
import { DueRows } from '../../storage/due-rows.js';
import type { DelayedEvent } from './delayed-event.entity.js';
import { DelayedEventsStore } from './delayed-events.store.js';
import { DelayedSender } from './delayed-sender.js';

/** The longest delay. */
export const MAX_DELAY_MS = 7 * 24 * 3_600_000;
/** Events of one account that wait. */
export const MAX_WAITING = 100;
/** How long, and how many of one account, are kept after they were sent or cancelled. */
const KEPT_MS = 7 * 24 * 3_600_000;
const MAX_KEPT = 100;
const MAX_BYTES = 65_536;
/** Contents of one account's events that wait, and of those that are kept: a list of them is one answer. */
export const MAX_BYTES_IN_ALL = 1024 * 1024;
const AT_ONCE = 100;
/** Events that are being sent: what their rooms and other servers hold up holds up no others. */
const MAX_SENDING = 2_000;
/** What is not taken for reasons of the moment is tried again, for so long. */
const RETRY_MS = 5_000;
const TRIED_MS = 3_600_000;

export const delayedActions = ['send', 'cancel', 'restart'] as const;
export type DelayedAction = (typeof delayedActions)[number];

export interface DelayedRequest {
  readonly roomId: string;
  readonly type: string;
  /** Absent for a message event. */
  readonly stateKey?: string;
  readonly content: JsonObject;
  /** Milliseconds. */
  readonly delayMs: number;
  readonly txnId?: string;
}

/**
 * Events that are sent later (MSC4140), kept over a restart. They are kept and sent by the home at which they were made: a client that
 * goes to another home while it lasts makes them anew there (protocol §4).
 */
@Injectable()
export class DelayedEvents implements OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  readonly #due: DueRows;
  /** What is done with one event, one after the other. */
  readonly #queue = new KeyedQueue();
  /** Of one account in one room one after the other. */
  readonly #lanes = new KeyedQueue();
  /** By delay id. */
  readonly #sending = new Map<string, Promise<void>>();

  constructor(
    private readonly store: DelayedEventsStore,
    private readonly sender: DelayedSender,
    private readonly accounts: AccountDirectory,
    private readonly deactivation: Deactivation,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly log: Log,
  ) {
    this.#due = new DueRows(() => this.#look(), () => this.clock.now(), (error) => this.log.error('delayed events could not be sent', error));
  }

  onModuleInit(): void {
    const remove = (userId: string): Promise<void> => this.store.removeAll(userId);
    this.deactivation.onDeactivated(remove);
    this.accounts.onRemoved((userId) => void remove(userId).catch((error: unknown) => this.log.error('delayed events of an account are left', error)));
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.store.resume(this.clock.now());
    this.#due.wake();
  }

  async onModuleDestroy(): Promise<void> {
    await this.#due.stop();
    await Promise.all(this.#sending.values());
  }

  /** Sends what is due; resolves when it is sent. */
  async tick(): Promise<void> {
    do {
      this.#due.wake();
      await this.#due.settled();
      await Promise.all(this.#sending.values());
    } while (this.#sending.size > 0);
  }

  /**
   * @returns the delay id
   * @throws MatrixError 400 `M_MAX_DELAY_EXCEEDED`, 413 `M_TOO_LARGE`, 429 `M_LIMIT_EXCEEDED` with the time when the next one is sent
   */
  async add({ userId, deviceId, tokenHash }: Requester, { roomId, type, stateKey, content, delayMs, txnId }: DelayedRequest): Promise<string> {
    const txn = txnId === undefined ? null : hash('sha256', JSON.stringify([deviceId ?? tokenHash, roomId, type, txnId]), 'base64url');
    const first = txn === null ? null : await this.store.byTxn(userId, txn);
    if (first) return first.delayId;
    if (delayMs > MAX_DELAY_MS) throw new MatrixError(400, 'M_MAX_DELAY_EXCEEDED', 'The delay is longer than this server allows', { max_delay: MAX_DELAY_MS });
    const text = JSON.stringify(content);
    if (Buffer.byteLength(text) > MAX_BYTES) throw MatrixError.tooLarge('The event is too large');
    const now = this.clock.now();
    const waiting = await this.store.waiting(userId);
    if (waiting.number >= MAX_WAITING || waiting.bytes + Buffer.byteLength(text) > MAX_BYTES_IN_ALL) {
      const next = (await this.store.nextOf(userId)) ?? now;
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', `Too many events of this account are waiting: at most ${MAX_WAITING}, and ${MAX_BYTES_IN_ALL} bytes`, { retry_after_ms: Math.max(0, next - now) });
    }
    const event: DelayedEvent = {
      delayId: this.random.token(24), userId, deviceId, txn, roomId, type, stateKey: stateKey ?? null, content: text,
      delayMs, runningSince: now, sendAt: now + delayMs, outcome: null, reason: null, error: null, eventId: null, finalisedTs: null,
    };
    if (!(await this.store.add(event))) return (await this.store.byTxn(userId, txn!))!.delayId;
    this.#due.wake();
    return event.delayId;
  }

  /** In the order in which they are to be sent; finalised ones too. */
  ofUser(userId: string): Promise<DelayedEvent[]> {
    return this.store.ofUser(userId);
  }

  /** @throws MatrixError 404 `M_NOT_FOUND` also for those of others */
  async get(userId: string, delayId: string): Promise<DelayedEvent> {
    const event = await this.store.find(delayId);
    if (event?.userId !== userId) throw unknownEvent();
    return event;
  }

  /**
   * What a client, or whoever it has told the delay id, decides. The same again is no error.
   *
   * @throws MatrixError 404 `M_NOT_FOUND`, 409 `M_UNKNOWN` where something else has been decided, and what sending it throws: then it waits on
   */
  act(delayId: string, action: DelayedAction): Promise<void> {
    return this.#queue.run(delayId, async () => {
      const event = await this.store.find(delayId);
      if (!event) throw unknownEvent();
      if (event.outcome !== null) {
        const isSame = action === 'send' ? event.outcome === 'send' : action === 'cancel' && event.outcome !== 'send';
        if (isSame) return;
        throw MatrixError.unknown(409, `The event was ${event.outcome === 'send' ? 'sent' : 'cancelled'} already`);
      }
      if (action === 'restart') {
        const now = this.clock.now();
        await this.store.restart(delayId, now, now + event.delayMs);
        this.#due.wake();
      } else if (action === 'cancel') await this.#finalise(event, { outcome: 'cancel', reason: 'action' });
      else await this.#finalise(event, { outcome: 'send', reason: 'action', eventId: await this.sender.send(event) });
    });
  }

  async #look(): Promise<number | null> {
    const now = this.clock.now();
    await this.store.forget(now - KEPT_MS);
    if (this.#sending.size >= MAX_SENDING) return null;
    const limit = AT_ONCE + this.#sending.size;
    const due = await this.store.due(now, limit);
    for (const { delayId, userId, roomId } of due) {
      if (this.#sending.has(delayId)) continue;
      const sending = this.#lanes.run(`${userId} ${roomId}`, () => this.#queue.run(delayId, () => this.#sendDue(delayId))).then(() => 0, (error: unknown) => {
        if (!this.#due.stopped) this.log.error('a delayed event could not be looked after', error, { roomId });
        return RETRY_MS;
      }).then((pauseMs) => {
        this.#sending.delete(delayId);
        setTimeout(() => this.#due.wake(), pauseMs).unref();
      });
      this.#sending.set(delayId, sending);
    }
    // The one that ends looks again.
    return due.length === limit ? now : this.store.next(now);
  }

  async #sendDue(delayId: string): Promise<void> {
    const event = await this.store.find(delayId);
    // It may have been restarted or cancelled while it waited for its turn.
    if (!event || event.outcome !== null || event.sendAt > this.clock.now()) return;
    let eventId: string;
    try {
      eventId = await this.sender.send(event);
    } catch (error) {
      if (isUnavailable(error)) throw error;
      const now = this.clock.now();
      const lateMs = now - event.runningSince - event.delayMs;
      if (error instanceof MatrixError && (error.status === 429 || error.status >= 500) && lateMs < TRIED_MS) {
        return this.store.restart(delayId, event.runningSince, now + Math.max(RETRY_MS, Math.round(lateMs / 4)));
      }
      if (!(error instanceof MatrixError)) this.log.error('a delayed event was not sent', error, { roomId: event.roomId });
      const body = error instanceof MatrixError ? error.toBody() : { errcode: 'M_UNKNOWN', error: 'Internal server error' };
      return this.#finalise(event, { outcome: 'error', reason: 'delay', error: JSON.stringify(body) });
    }
    await this.#finalise(event, { outcome: 'send', reason: 'delay', eventId });
  }

  #finalise(event: DelayedEvent, end: Partial<DelayedEvent> & Pick<DelayedEvent, 'outcome' | 'reason'>): Promise<void> {
    return this.store.finalise(event, { error: null, eventId: null, ...end, finalisedTs: this.clock.now() }, { number: MAX_KEPT, bytes: MAX_BYTES_IN_ALL });
  }
}

function unknownEvent(): MatrixError {
  return MatrixError.notFound('There is no such delayed event');
}
