import { Injectable } from '@nestjs/common';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { Database, statement } from '../../storage/database.js';

/** So long must a domain have been silent before anything is done without its word (protocol §2). */
const LONG_MS = 7 * 24 * 3_600_000;
/** Silences that nobody has noticed for longer are forgotten. */
const FORGOTTEN_AFTER_MS = 30 * 24 * 3_600_000;
/** How exactly the last attempt is kept; every attempt would otherwise be a write. */
const GRAIN_MS = 60_000;

const note = statement(
  'domain_silence.note',
  `INSERT INTO silent_domains (server_name, since_ts, last_ts) VALUES ($1, $2, $2)
   ON CONFLICT (server_name) DO UPDATE SET last_ts = excluded.last_ts,
     since_ts = CASE WHEN silent_domains.last_ts < $3 THEN excluded.since_ts ELSE silent_domains.since_ts END RETURNING since_ts`,
);
const end = statement('domain_silence.end', 'DELETE FROM silent_domains WHERE server_name = $1');
const select = statement('domain_silence.get', 'SELECT since_ts FROM silent_domains WHERE server_name = $1 AND last_ts >= $2');

/** Since when domains do not answer when they are asked for their people, over restarts. */
@Injectable()
export class DomainSilence {
  readonly #noted = boundedCache<string, number>(10_000);

  constructor(
    private readonly db: Database,
    private readonly destinations: Destinations,
    private readonly clock: Clock,
  ) {}

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
