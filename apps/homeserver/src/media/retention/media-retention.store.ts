import { Injectable } from '@nestjs/common';
import { Database, longStatement, statement, type Transaction } from '../../storage/database.js';

/** A file that no account here has uploaded. */
export interface CachedFile {
  readonly sha256: string;
  readonly bytes: number;
  readonly read_ts: number;
  /** Servers of the addresses that name it; none where nothing does any more. */
  readonly servers: readonly string[];
}

const isOwn = 'EXISTS (SELECT 1 FROM media m WHERE m.sha256 = f.sha256 AND m.user_id IS NOT NULL)';
const unread = longStatement(
  'media_retention.unread',
  `SELECT f.sha256, f.bytes, f.read_ts, ARRAY(SELECT DISTINCT m.server_name FROM media m WHERE m.sha256 = f.sha256) AS servers
   FROM media_files f WHERE (f.read_ts, f.sha256) > ($1, $2) AND f.read_ts <= $3 AND NOT ${isOwn} ORDER BY f.read_ts, f.sha256 LIMIT $4`,
);
const cached = longStatement('media_retention.cached', `SELECT coalesce(sum(f.bytes), 0)::bigint AS bytes FROM media_files f WHERE NOT ${isOwn}`);
const remove = statement('media_retention.remove', `DELETE FROM media_files f WHERE f.sha256 = $1 AND f.read_ts = $2 AND NOT ${isOwn} RETURNING f.sha256`);

/** Files of others, by when they were read. */
@Injectable()
export class MediaRetentionStore {
  constructor(private readonly db: Database) {}

  /** The next ones that were not read since a time, the longest first. */
  unread(after: Pick<CachedFile, 'read_ts' | 'sha256'>, until: number, count: number): Promise<CachedFile[]> {
    return this.db.query<CachedFile & Record<string, unknown>>(unread, [after.read_ts, after.sha256, until, count]);
  }

  /** Bytes of all of them. */
  async cachedBytes(): Promise<number> {
    return (await this.db.query<{ bytes: number }>(cached))[0]!.bytes;
  }

  /** @returns false when it was read or uploaded meanwhile */
  async remove(tx: Transaction, { sha256, read_ts: readTs }: CachedFile): Promise<boolean> {
    return (await tx.query(remove, [sha256, readTs])).length > 0;
  }
}
