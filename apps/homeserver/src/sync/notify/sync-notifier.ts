import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Bus, streamNames, type BusMessage, type StreamName } from '../../bus/bus.js';
import { Stopping } from '../../observability/stopping.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import type { SyncPositions } from '../sync-token.js';
import { UserPositions } from './user-positions.js';

/** Waiters that are woken before the event loop gets a turn; a loop over 5,000 of them would block for 100 ms and more. */
const SLICE = 200;

type Wake = () => void;

/** Knows who waits for news, and wakes them when the bus tells of a commit. */
@Injectable()
export class SyncNotifier implements OnModuleDestroy {
  readonly #positions: UserPositions;
  readonly #waiters = new Map<string, Set<Wake>>();
  readonly #queue: Wake[] = [];
  readonly #unsubscribe: () => void;
  #draining = false;

  constructor(
    bus: Bus,
    private readonly streams: StreamPositions,
    private readonly stopping: Stopping,
  ) {
    this.#positions = new UserPositions(this.current());
    this.#unsubscribe = bus.subscribe((message) => this.#onMessage(message));
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** Where every stream ends now. */
  current(): SyncPositions {
    return Object.fromEntries(streamNames.map((name) => [name, this.streams.current(name)])) as SyncPositions;
  }

  /** See UserPositions.ahead. */
  ahead(userId: string, since: SyncPositions): StreamName[] {
    return this.#positions.ahead(userId, since);
  }

  /** See UserPositions.isAhead. */
  isAhead(userId: string, since: SyncPositions): boolean {
    return this.#positions.isAhead(userId, since);
  }

  /** Number of requests that wait; for tests and metrics. */
  get waiting(): number {
    let count = 0;
    for (const waiters of this.#waiters.values()) count += waiters.size;
    return count;
  }

  /**
   * Waits for the next news of the account. Call it in the same turn in which `ahead` was empty, or news can slip through.
   *
   * @param signals end the wait early, e.g. because the caller hung up; the end of the server does so too
   * @returns false when the time was up or the wait was ended
   */
  wait(userId: string, timeoutMs: number, ...signals: readonly AbortSignal[]): Promise<boolean> {
    const ends = [this.stopping.signal, ...signals];
    if (ends.some((signal) => signal.aborted)) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(userId) ?? new Set<Wake>();
      this.#waiters.set(userId, waiters);
      const settle = (woken: boolean): void => {
        clearTimeout(timer);
        for (const signal of ends) signal.removeEventListener('abort', onEnd);
        waiters.delete(wake);
        if (waiters.size === 0 && this.#waiters.get(userId) === waiters) this.#waiters.delete(userId);
        resolve(woken);
      };
      const wake = (): void => settle(true);
      const onEnd = (): void => settle(false);
      const timer = setTimeout(onEnd, timeoutMs);
      for (const signal of ends) signal.addEventListener('abort', onEnd);
      waiters.add(wake);
    });
  }

  #onMessage(message: BusMessage): void {
    const stream = message.kind === 'room' ? 'events' : message.stream;
    for (const userId of message.users) {
      this.#positions.advance(userId, stream, message.pos);
      const waiters = this.#waiters.get(userId);
      if (waiters) this.#queue.push(...waiters);
    }
    if (this.#queue.length > 0 && !this.#draining) {
      this.#draining = true;
      setImmediate(() => this.#drain());
    }
  }

  #drain(): void {
    for (const wake of this.#queue.splice(0, SLICE)) wake();
    if (this.#queue.length > 0) setImmediate(() => this.#drain());
    else this.#draining = false;
  }
}
