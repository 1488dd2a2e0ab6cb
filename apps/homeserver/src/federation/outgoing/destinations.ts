import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { Random } from '../../observability/random.js';
import { Database, statement } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';
import { boundedCache } from '../../storage/bounded-cache.js';

interface Reachability {
  failures: number;
  retryAt: number;
  lastAttempt: number;
  lastContact: number;
  /** `lastContact` as it stands in the database. */
  storedContact: number;
}

const MAX_DESTINATIONS = 20_000;
const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 3_600_000;
/** How exactly contacts are remembered over a restart; every request would otherwise be a write. */
const CONTACT_GRAIN_MS = 60_000;
const FLUSH_MS = 5_000;
const QUICK_MS = 1_000;

const load = statement(
  'destinations.load',
  'SELECT destination, failures, retry_at, last_contact_ts FROM destinations ORDER BY greatest(retry_at, last_contact_ts) DESC LIMIT $1',
);
const rows = new RowInserter(
  'destinations.save',
  'destinations',
  ['destination', 'failures', 'retry_at', 'last_contact_ts'],
  `ON CONFLICT (destination) DO UPDATE SET failures = excluded.failures, retry_at = excluded.retry_at, last_contact_ts = excluded.last_contact_ts`,
);

/** Which servers answer, and until when those that do not are left alone. In memory; stored lazily. */
@Injectable()
export class Destinations implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #known = boundedCache<string, Reachability>(MAX_DESTINATIONS);
  readonly #dirty = new Set<string>();
  readonly #listeners = new Set<(destination: string) => void>();
  readonly #quickListeners = new Set<(destination: string) => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly log: Log,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    type Row = { destination: string; failures: number; retry_at: number; last_contact_ts: number };
    // The clock of the process before may have been ahead.
    const latest = this.clock.steady() + MAX_DELAY_MS;
    for (const row of (await this.db.query<Row>(load, [MAX_DESTINATIONS])).reverse()) {
      const contact = row.last_contact_ts;
      this.#known.set(row.destination, {
        failures: row.failures, retryAt: Math.min(row.retry_at, latest), lastAttempt: 0, lastContact: contact, storedContact: contact,
      });
    }
    this.#timer = setInterval(() => void this.flush(), FLUSH_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  /** Milliseconds of the steady clock before which nothing is sent to the destination; 0 when it is fine. */
  retryAt(destination: string): number {
    return this.#known.get(destination)?.retryAt ?? 0;
  }

  /** Attempts in a row that failed. */
  failures(destination: string): number {
    return this.#known.get(destination)?.failures ?? 0;
  }

  /** Time of the last request that went through, in either direction; 0 for never. */
  lastContact(destination: string): number {
    return this.#known.get(destination)?.lastContact ?? 0;
  }

  /** A request to the destination was answered, after so many milliseconds. */
  reached(destination: string, tookMs: number): void {
    const entry = this.#entry(destination);
    const wasDown = entry.failures > 0;
    entry.failures = 0;
    entry.retryAt = 0;
    entry.lastAttempt = this.clock.steady();
    this.#contact(destination, entry, wasDown);
    if (wasDown) this.#tell(destination);
    if (tookMs < QUICK_MS) for (const listener of this.#quickListeners) listener(destination);
  }

  /** A request did not reach the destination: exponential back-off with jitter, from one second to an hour. */
  failed(destination: string): void {
    const entry = this.#entry(destination);
    const now = this.clock.steady();
    entry.lastAttempt = now;
    // Requests that were under way together fail together and count once.
    if (entry.retryAt > now) return;
    entry.failures++;
    const delay = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(entry.failures - 1, 30));
    const jitter = 0.75 + this.random.bytes(2).readUInt16BE() / 2 ** 17;
    entry.retryAt = now + Math.round(delay * jitter);
    this.#dirty.add(destination);
  }

  /**
   * The server sent something itself, so that it is worth a try at once. Its failures still count: a server that can reach us
   * while we cannot reach it would otherwise be tried for each of its requests.
   */
  heardFrom(origin: string): void {
    const entry = this.#entry(origin);
    const now = this.clock.steady();
    this.#contact(origin, entry, false);
    if (entry.retryAt <= now) return;
    entry.retryAt = Math.min(entry.retryAt, Math.max(now, entry.lastAttempt + FIRST_DELAY_MS));
    this.#tell(origin);
  }

  /** Calls the listener when a destination that was down may be back. */
  onAlive(listener: (destination: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls the listener with each destination that has answered something within a second. */
  onQuick(listener: (destination: string) => void): () => void {
    this.#quickListeners.add(listener);
    return () => this.#quickListeners.delete(listener);
  }

  /** Stores what changed. */
  async flush(): Promise<void> {
    const batch = [...this.#dirty];
    this.#dirty.clear();
    const values: unknown[][] = [];
    for (const destination of batch) {
      const entry = this.#known.peek(destination);
      if (!entry) continue;
      entry.storedContact = entry.lastContact;
      values.push([destination, entry.failures, entry.retryAt, entry.lastContact]);
    }
    if (values.length === 0) return;
    try {
      await rows.insert(this.db, values);
    } catch (error) {
      // The next change of a destination writes it again; back-off in memory goes on.
      this.log.error('reachability could not be stored', error);
    }
  }

  #contact(destination: string, entry: Reachability, changed: boolean): void {
    const now = this.clock.now();
    entry.lastContact = now;
    if (changed || Math.abs(now - entry.storedContact) >= CONTACT_GRAIN_MS) this.#dirty.add(destination);
  }

  #entry(destination: string): Reachability {
    let entry = this.#known.get(destination);
    if (!entry) {
      entry = { failures: 0, retryAt: 0, lastAttempt: 0, lastContact: 0, storedContact: 0 };
      this.#known.set(destination, entry);
    }
    return entry;
  }

  #tell(destination: string): void {
    for (const listener of this.#listeners) listener(destination);
  }
}
