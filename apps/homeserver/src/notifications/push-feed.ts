import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { RoomEvent } from '#federation';
import { AccountDirectory } from '../accounts/account-directory.js';
import { Bus, type RoomCommitted } from '../bus/bus.js';
import { Clock } from '../observability/clock.js';
import { Log } from '../observability/log.js';
import { Pushers } from '../push/pushers/pushers.js';
import { RoomRegistry } from '../rooms/room-registry.js';
import { EventsStore } from '../rooms/timeline/events.store.js';
import { isUnavailable } from '../storage/database-errors.js';
import { StreamPositions } from '../storage/stream-positions.js';
import { NotifiedEvents, type NotifiedEvent } from './notified-events.js';
import { PushSender } from './push-sender.js';
import { PushTurns } from './push-turns.js';
import { type NewPush, PushesStore } from './pushes.store.js';
import { type FeedEvent, threadIdOf, toldEvent, tweaksOf } from './told-event.js';

/** Commits that wait to be looked at; of more the oldest notify nobody. */
const MAX_WAITING = 10_000;
/** Commits that are looked at together. */
const BATCH = 200;
/** How far was looked is noted so often while there is nothing to push. */
const NOTE_MS = 10_000;
/** Until the database is asked again. */
const RETRY_MS = 500;
/** After a start: rooms, and events of each, that are looked at, the newest. */
const MAX_ROOMS = 5_000;
const MAX_EVENTS = 200;
const MAX_INVITATIONS = 1_000;
/** A home that is not the first one tells nobody of what is older. */
const OLD_INVITATION_MS = 600_000;

/** What a commit may notify of. */
interface News {
  readonly roomId: string;
  readonly pos: number;
  readonly events: readonly FeedEvent[];
  readonly userIds: readonly string[];
  /** Accounts that were invited without an event in a timeline here. */
  readonly invited: readonly string[];
}

/**
 * Follows what is committed, and notes what is to be pushed to whom, some time after it: nobody waits for that. What was not looked at when the
 * process ended is looked at after the next start.
 */
@Injectable()
export class PushFeed implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #waiting: News[] = [];
  #running: Promise<void> | undefined;
  #unsubscribe: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  /** Positions: everything up to here was told; was looked at, and that is noted. */
  #told = 0;
  #noted = 0;

  constructor(
    private readonly pushers: Pushers,
    private readonly notified: NotifiedEvents,
    private readonly turns: PushTurns,
    private readonly store: PushesStore,
    private readonly sender: PushSender,
    private readonly registry: RoomRegistry,
    private readonly events: EventsStore,
    private readonly accounts: AccountDirectory,
    private readonly positions: StreamPositions,
    private readonly bus: Bus,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    const upTo = this.positions.current('events');
    this.#told = upTo;
    this.#unsubscribe = this.bus.subscribe((message) => {
      if (message.kind === 'room') this.#hear(message);
    });
    this.#running = this.#catchUp(upTo).catch((error: unknown) => this.#failed(error)).then(() => this.#work());
    this.#timer = setInterval(() => void this.#note(), NOTE_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    this.#unsubscribe?.();
    await this.#running;
    await this.#note();
  }

  #hear(message: RoomCommitted): void {
    this.#told = Math.max(this.#told, message.pos);
    if (this.pushers.count === 0) return;
    const { roomId, pos } = message;
    const userIds = message.users.filter((userId) => this.pushers.isNotified(userId));
    if (userIds.length === 0) return;
    const events = message.events.map(({ event, pos: eventPos }) => feedEvent(event, eventPos));
    const invited = message.membershipChanges.flatMap(({ userId, membership, isLocal }) =>
      (isLocal && membership === 'invite' && userIds.includes(userId) && !events.some((event) => event.stateKey === userId) ? [userId] : []));
    if (this.#waiting.push({ roomId, pos, events, userIds, invited }) > MAX_WAITING) this.#waiting.shift();
    this.#running ??= this.#work();
  }

  async #work(): Promise<void> {
    // A turn of the event loop, so that commits that are told now are looked at together.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0 && !this.#isStopped) {
      const told = this.#told;
      const batch = this.#waiting.splice(0, BATCH);
      const pos = this.#waiting.length === 0 ? told : batch.at(-1)!.pos;
      await this.#lookUntilDone(batch, pos);
    }
    this.#running = undefined;
  }

  /** However long the database is away. */
  async #lookUntilDone(batch: readonly News[], pos: number): Promise<void> {
    while (!this.#isStopped) {
      try {
        return await this.#look(batch, pos);
      } catch (error) {
        this.#failed(error);
        if (!isUnavailable(error)) return;
        await pause(RETRY_MS, undefined, { ref: false });
      }
    }
  }

  async #look(batch: readonly News[], pos: number): Promise<void> {
    const notified: NotifiedEvent[] = [];
    for (const { roomId, events, userIds, invited } of batch) {
      // Of one room that cannot be read nobody else has to suffer.
      try {
        if (events.length > 0) notified.push(...await this.notified.of({ roomId, events, userIds }));
        for (const userId of invited) notified.push(...[await this.notified.ofInvitation(userId, roomId)].filter((one) => one !== undefined));
      } catch (error) {
        if (isUnavailable(error)) throw error;
        this.#failed(error, roomId);
      }
    }
    const pushes = await this.#pushes(notified);
    if (pushes.length === 0) return;
    await this.store.add(pushes, pos, this.clock.now());
    this.#noted = Math.max(this.#noted, pos);
    this.sender.wake();
  }

  async #pushes(notified: readonly NotifiedEvent[]): Promise<NewPush[]> {
    if (notified.length === 0) return [];
    const [wall, steady] = [this.clock.now(), this.clock.steady()];
    const pushers = await this.pushers.ofUsers([...new Set(notified.map(({ userId }) => userId))]);
    const pushes: NewPush[] = [];
    for (const { userId, roomId, event, names, notification } of notified) {
      const own = pushers.filter((pusher) => pusher.userId === userId && !this.turns.isDone(pusher, event.eventId));
      if (own.length === 0) continue;
      const waitMs = await this.turns.wait(userId, event.ts);
      // It came with the account to a new home, and is told for long.
      if (event.pos === null && waitMs > 0 && wall - event.ts > OLD_INVITATION_MS) continue;
      const dueTs = steady + waitMs;
      const base = {
        userId, roomId, eventId: event.eventId, pos: event.pos, threadId: threadIdOf(event), madeTs: wall, dueTs,
        notification: toldEvent(roomId, event, names, userId, notification), tweaks: tweaksOf(notification),
      };
      for (const { appId, pushkey } of own) pushes.push({ ...base, appId, pushkey });
    }
    return pushes;
  }

  /** What was committed when the process before ended, and had not been looked at. */
  async #catchUp(upTo: number): Promise<void> {
    const from = await this.store.progress();
    if (from === null || from >= upTo || this.pushers.count === 0) return this.store.advance(upTo);
    const news: News[] = [];
    for (const { roomId } of await this.store.roomsSince(from, MAX_ROOMS)) {
      if (this.#isStopped) return;
      const userIds = (await this.registry.find(roomId))?.state.localJoined.filter((userId) => this.pushers.isNotified(userId)) ?? [];
      if (userIds.length === 0) continue;
      const rows = (await this.events.below(roomId, upTo + 1, MAX_EVENTS)).filter(({ pos }) => pos !== null && pos > from).reverse();
      if (rows.length > 0) news.push({ roomId, pos: upTo, events: rows.map(({ event, pos }) => feedEvent(event, pos)), userIds, invited: [] });
    }
    for (const { userId, roomId } of await this.store.invitationsSince(from, MAX_INVITATIONS)) {
      if (this.accounts.has(userId) && this.pushers.isNotified(userId)) news.push({ roomId, pos: upTo, events: [], userIds: [], invited: [userId] });
    }
    for (let at = 0; at < news.length && !this.#isStopped; at += BATCH) await this.#look(news.slice(at, at + BATCH), from);
    if (!this.#isStopped) await this.store.advance(upTo);
  }

  async #note(): Promise<void> {
    if (this.#running || this.#noted >= this.#told) return;
    const told = this.#told;
    try {
      await this.store.advance(told);
      this.#noted = told;
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown, roomId?: string): void {
    if (!this.#isStopped) this.log.error('events could not be looked at for whom they notify', error, { roomId });
  }
}

function feedEvent(event: RoomEvent, pos: number | null): FeedEvent {
  const { type, sender, state_key: stateKey, content, origin_server_ts: ts } = event.pdu;
  return { eventId: event.eventId, type, sender, stateKey, content, pos, ts };
}
