import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';
import { retryPause } from '../../storage/due-rows.js';

/** Longer than an attempt should take: what is being fetched is not fetched again. */
const LEASE_MS = 900_000;
const FIRST_RETRY_MS = 2_000;

/** A file that the account's other homes have. */
export interface MissingCopy {
  readonly server_name: string;
  readonly media_id: string;
  readonly user_id: string;
  readonly sha256: string;
  readonly bytes: number;
  /** The same bytes are here already. */
  readonly is_here: boolean;
}

/** How much of what an account has uploaded a home has. */
export interface CopyCounts {
  readonly total: number;
  readonly ready: number;
  readonly bytes: number;
  readonly ready_bytes: number;
}

// Whose turn is next, of those who have something due.
const turn = statement(
  'media_copy.turn', 'SELECT user_id FROM media WHERE fetch_at <= $1 AND user_id > $2 AND user_id <> ALL($3) ORDER BY user_id LIMIT 1',
);
const claim = statement(
  'media_copy.claim',
  `UPDATE media m SET fetch_at = $1::bigint + ${LEASE_MS} FROM (
     SELECT server_name, media_id FROM media WHERE fetch_at <= $1 AND user_id = $2 ORDER BY fetch_at LIMIT 1
   ) due WHERE m.server_name = due.server_name AND m.media_id = due.media_id
   RETURNING m.server_name, m.media_id, m.user_id, m.sha256, m.bytes, EXISTS (SELECT 1 FROM media_files f WHERE f.sha256 = m.sha256) AS is_here`,
);
const done = statement('media_copy.done', 'UPDATE media SET fetch_at = NULL, attempts = 0 WHERE user_id = $1 AND sha256 = $2');
const failed = statement(
  'media_copy.failed',
  `UPDATE media SET attempts = attempts + 1, fetch_at = $3::bigint + ${retryPause(FIRST_RETRY_MS)} WHERE server_name = $1 AND media_id = $2`,
);
// After a start: whatever was being fetched is not any more.
const resume = statement('media_copy.resume', 'UPDATE media SET fetch_at = 0 WHERE fetch_at IS NOT NULL');
const wake = statement('media_copy.wake', 'UPDATE media SET fetch_at = 0 WHERE fetch_at IS NOT NULL AND attempts > 0 AND server_name = $1');
const next = statement('media_copy.next', 'SELECT min(fetch_at) AS at FROM media WHERE fetch_at IS NOT NULL');
const counts = statement(
  'media_copy.counts',
  `SELECT count(*)::int AS total, count(f.sha256)::int AS ready, coalesce(sum(m.bytes), 0)::bigint AS bytes, coalesce(sum(f.bytes), 0)::bigint AS ready_bytes
   FROM media m LEFT JOIN media_files f USING (sha256) WHERE m.user_id = $1 AND m.sha256 IS NOT NULL`,
);

/** What of accounts' media at other homes is not here yet. */
@Injectable()
export class MediaCopiesStore {
  constructor(private readonly db: Database) {}

  /**
   * One file of the account whose turn it is, which nobody else gets for a while.
   *
   * @param after the account that had its turn last
   * @param busy accounts that wait for one already
   */
  async claim(now: number, after: string, busy: readonly string[]): Promise<MissingCopy | undefined> {
    const next = async (from: string) => (await this.db.query<{ user_id: string }>(turn, [now, from, busy]))[0]?.user_id;
    const userId = (await next(after)) ?? (await next(''));
    return userId === undefined ? undefined : (await this.db.query<MissingCopy & Record<string, unknown>>(claim, [now, userId]))[0];
  }

  async done({ user_id: userId, sha256 }: MissingCopy): Promise<void> {
    await this.db.query(done, [userId, sha256]);
  }

  async failed({ server_name: serverName, media_id: mediaId }: MissingCopy, now: number): Promise<void> {
    await this.db.query(failed, [serverName, mediaId, now]);
  }

  async resume(): Promise<void> {
    await this.db.query(resume);
  }

  async wake(serverName: string): Promise<void> {
    await this.db.query(wake, [serverName]);
  }

  async next(): Promise<number | null> {
    return (await this.db.query<{ at: number | null }>(next))[0]!.at;
  }

  async counts(userId: string): Promise<CopyCounts> {
    return (await this.db.query<CopyCounts & Record<string, unknown>>(counts, [userId]))[0]!;
  }
}
