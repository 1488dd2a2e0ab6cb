import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient } from '../../federation/federation-client.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { RemoteError } from '../../federation/outgoing/remote-error.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { Database, statement } from '../../storage/database.js';

/** So long must a domain have been silent before anything is done without its word (protocol §2). */
const LONG_MS = 7 * 24 * 3_600_000;
/** Silences that nobody has noticed for longer are forgotten. */
const FORGOTTEN_AFTER_MS = 30 * 24 * 3_600_000;
/** Domains that are asked again by and by: two attempts in vain, a week apart, say nothing of what lies between. */
const MAX_ASKED = 500;
const ASKED_AT_ONCE = 8;
const ASK_EVERY_MS = 30 * 60_000;
const TIMEOUT_MS = 5_000;
/** How exactly the last attempt is kept; every attempt would otherwise be a write. */
const GRAIN_MS = 60_000;

const note = statement(
  'domain_silence.note',
  `INSERT INTO silent_domains (server_name, since_ts, last_ts) VALUES ($1, $2, $2)
   ON CONFLICT (server_name) DO UPDATE SET last_ts = excluded.last_ts,
     since_ts = CASE WHEN silent_domains.last_ts < $3 THEN excluded.since_ts ELSE silent_domains.since_ts END RETURNING since_ts`,
);
const end = statement('domain_silence.end', 'DELETE FROM silent_domains WHERE server_name = $1');
const forget = statement('domain_silence.forget', 'DELETE FROM silent_domains WHERE last_ts < $1');
const selectLatest = statement('domain_silence.latest', 'SELECT server_name FROM silent_domains ORDER BY last_ts DESC LIMIT $1');
const select = statement('domain_silence.get', 'SELECT since_ts FROM silent_domains WHERE server_name = $1 AND last_ts >= $2');

/** Since when domains do not answer when they are asked for their people, over restarts. */
@Injectable()
export class DomainSilence implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #noted = boundedCache<string, number>(10_000);
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    private readonly db: Database,
    private readonly destinations: Destinations,
    private readonly federation: FederationClient,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => {
      this.askAgain().catch((error: unknown) => this.#stopped || this.log.error('silent domains could not be asked again', error));
    }, ASK_EVERY_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#asking.catch(() => undefined);
  }

  /** Asks those that did not answer whether they are there, the ones that somebody last asked for first. An answer ends the silence. */
  askAgain(): Promise<void> {
    this.#asking = this.#asking.catch(() => undefined).then(() => this.#askAll());
    return this.#asking;
  }

  async #askAll(): Promise<void> {
    if (this.#stopped) return;
    await this.db.query(forget, [this.clock.now() - FORGOTTEN_AFTER_MS]);
    const open = (await this.db.query<{ server_name: string }>(selectLatest, [MAX_ASKED])).map((row) => row.server_name);
    await Promise.all(Array.from({ length: ASKED_AT_ONCE }, async () => {
      for (let domain = open.shift(); domain !== undefined && !this.#stopped; domain = open.shift()) {
        try {
          await this.federation.request({ destination: domain, method: 'GET', path: '/_matrix/federation/v1/version', timeoutMs: TIMEOUT_MS, ignoreBackoff: true });
        } catch (error) {
          if (!(error instanceof MatrixError)) throw error;
          if (!(error instanceof RemoteError) || error.remoteStatus >= 500 || error.remoteStatus === 429) continue;
        }
        this.#noted.delete(domain);
        await this.db.query(end, [domain]);
      }
    }));
  }

  /** The domain was asked and did not answer. */
  async noted(domain: string): Promise<void> {
    const now = this.clock.now();
    if (now - (this.#noted.get(domain) ?? 0) < GRAIN_MS) return;
    this.#noted.set(domain, now);
    await this.db.query(note, [domain, now, now - FORGOTTEN_AFTER_MS]);
  }

  /** The domain has answered. */
  ended(domain: string): void {
    if (!this.#noted.delete(domain)) return;
    this.db.query(end, [domain]).catch(() => undefined);
  }

  /**
   * Since when nothing was heard of a domain that was asked; undefined when it was not asked, or has said anything meanwhile.
   *
   * @returns milliseconds since the Unix epoch
   */
  async since(domain: string): Promise<number | undefined> {
    const [row] = await this.db.query<{ since_ts: number }>(select, [domain, this.clock.now() - FORGOTTEN_AFTER_MS]);
    if (!row) return undefined;
    return Math.max(row.since_ts, this.destinations.lastContact(domain));
  }

  /** Whether the domain has been silent for seven days. */
  async isLong(domain: string): Promise<boolean> {
    const since = await this.since(domain);
    return since !== undefined && this.clock.now() - since >= LONG_MS;
  }
}
