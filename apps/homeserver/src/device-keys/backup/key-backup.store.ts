import { Injectable } from '@nestjs/common';
import { Database, statement, type Transaction } from '../../storage/database.js';
import type { BackedUpKey } from './backed-up-key.js';

interface KeyRow {
  room_id: string;
  session_id: string;
  is_verified: boolean;
  first_message_index: number;
  forwarded_count: number;
  session_data: string | null;
}

/** What a write of keys has changed. */
interface Change {
  room_id: string;
  session_id: string;
  /** Keys that are there now and were not, less those that went. */
  keys: number;
  bytes: number;
}

const PAGE = 1_000;
const columns = 'room_id, session_id, is_verified, first_message_index, forwarded_count, session_data';

/**
 * A verified key stays against one that is not, then the one that decrypts more, then the one that was passed on less
 * (client-server API, §Server-side key backups). A key of another home stays, all else equal, by its text, so that all homes keep
 * the same; a client's does not replace its equal. A deletion takes what was written before it.
 */
const put = statement(
  'key_backups.put_keys',
  `WITH given AS (
     SELECT * FROM unnest($3::text[], $4::text[], $5::boolean[], $6::bigint[], $7::bigint[], $8::text[])
       AS g (room_id, session_id, is_verified, first_message_index, forwarded_count, session_data)
   ), old AS (
     SELECT k.room_id, k.session_id, k.session_data FROM backed_up_keys k JOIN given USING (room_id, session_id) WHERE user_id = $1 AND version = $2
   ), changed AS (
     INSERT INTO backed_up_keys AS k (user_id, version, room_id, session_id, is_verified, first_message_index, forwarded_count, session_data, written_ts)
     SELECT $1, $2, room_id, session_id, is_verified, first_message_index, forwarded_count, session_data, $9 FROM given ORDER BY room_id, session_id
     ON CONFLICT (user_id, version, room_id, session_id) DO UPDATE SET
       is_verified = excluded.is_verified, first_message_index = excluded.first_message_index, forwarded_count = excluded.forwarded_count,
       session_data = excluded.session_data, written_ts = greatest(k.written_ts, excluded.written_ts)
     WHERE CASE
       WHEN excluded.session_data IS NULL THEN k.session_data IS NOT NULL AND k.written_ts <= excluded.written_ts
       WHEN k.session_data IS NULL THEN k.written_ts < excluded.written_ts OR NOT $10
       ELSE (NOT excluded.is_verified, excluded.first_message_index, excluded.forwarded_count, CASE WHEN $10 THEN excluded.session_data ELSE '' END COLLATE "C")
         < (NOT k.is_verified, k.first_message_index, k.forwarded_count, CASE WHEN $10 THEN k.session_data ELSE '' END COLLATE "C")
       END
     RETURNING room_id, session_id, session_data
   )
   SELECT room_id, session_id,
     (c.session_data IS NOT NULL)::int - (old.session_data IS NOT NULL)::int AS keys,
     coalesce(octet_length(c.session_data), 0) - coalesce(octet_length(old.session_data), 0) AS bytes
   FROM changed c LEFT JOIN old USING (room_id, session_id)`,
);
const grow = statement(
  'key_backups.grow',
  'UPDATE key_backups SET etag = etag + 1, keys = keys + $3, bytes = bytes + $4 WHERE user_id = $1 AND version = $2 RETURNING etag, keys, bytes',
);
const recount = statement(
  'key_backups.recount',
  `UPDATE key_backups b SET keys = c.keys, bytes = c.bytes FROM (
     SELECT count(*) AS keys, coalesce(sum(octet_length(session_data)), 0) AS bytes FROM backed_up_keys WHERE user_id = $1 AND version = $2 AND session_data IS NOT NULL
   ) c WHERE b.user_id = $1 AND b.version = $2`,
);
const page = statement(
  'key_backups.page',
  `SELECT ${columns} FROM backed_up_keys WHERE user_id = $1 AND version = $2 AND (room_id, session_id) > ($3, $4) AND session_data IS NOT NULL
   ORDER BY room_id, session_id LIMIT ${PAGE}`,
);
const ofRoom = statement(
  'key_backups.of_room',
  `SELECT ${columns} FROM backed_up_keys WHERE user_id = $1 AND version = $2 AND room_id = $3 AND session_data IS NOT NULL ORDER BY session_id`,
);
const one = statement(
  'key_backups.one',
  `SELECT ${columns} FROM backed_up_keys WHERE user_id = $1 AND version = $2 AND room_id = $3 AND session_id = $4 AND session_data IS NOT NULL`,
);
const dropKeys = statement('key_backups.drop_keys', 'DELETE FROM backed_up_keys WHERE user_id = $1 AND version = $2');

export interface BackupSize {
  readonly etag: number;
  readonly keys: number;
  readonly bytes: number;
}

/** Keys in backups. */
@Injectable()
export class KeyBackupStore {
  constructor(private readonly db: Database) {}

  /**
   * Merges keys into a backup.
   *
   * @param isReplica they come from another home
   * @returns those that were taken
   */
  async put(tx: Transaction, userId: string, version: string, keys: readonly BackedUpKey[], options: { ts: number; isReplica: boolean }): Promise<{ taken: BackedUpKey[]; grown: { keys: number; bytes: number } }> {
    const column = <T>(of: (key: BackedUpKey) => T): T[] => keys.map(of);
    const changes = await tx.query<Change & { [column: string]: unknown }>(put, [
      userId, version, column((key) => key.roomId), column((key) => key.sessionId), column((key) => key.isVerified),
      column((key) => key.firstMessageIndex), column((key) => key.forwardedCount), column((key) => key.sessionData), options.ts, options.isReplica,
    ]);
    const names = new Set(changes.map(({ room_id, session_id }) => `${room_id}\0${session_id}`));
    const sum = (of: (change: Change) => number): number => changes.reduce((total, change) => total + of(change), 0);
    return {
      taken: keys.filter(({ roomId, sessionId }) => names.has(`${roomId}\0${sessionId}`)),
      grown: { keys: sum((change) => change.keys), bytes: sum((change) => change.bytes) },
    };
  }

  /** Notes a change of a backup's keys; undefined where the backup is not known yet. */
  async grow(tx: Transaction, userId: string, version: string, by: { keys: number; bytes: number }): Promise<BackupSize | undefined> {
    return (await tx.query<BackupSize & { [column: string]: unknown }>(grow, [userId, version, by.keys, by.bytes]))[0];
  }

  /** Counts what is there of a backup that has just become known. */
  async recount(tx: Transaction, userId: string, version: string): Promise<void> {
    await tx.query(recount, [userId, version]);
  }

  async dropKeys(tx: Transaction, userId: string, version: string): Promise<void> {
    await tx.query(dropKeys, [userId, version]);
  }

  /** All keys of a backup, room by room, some at a time. */
  async *all(userId: string, version: string): AsyncGenerator<BackedUpKey[]> {
    for (let after = ['', '']; ; ) {
      const rows = await this.db.query<KeyRow & { [column: string]: unknown }>(page, [userId, version, ...after]);
      if (rows.length > 0) yield rows.map((row) => keyOf(version, row));
      if (rows.length < PAGE) return;
      after = [rows.at(-1)!.room_id, rows.at(-1)!.session_id];
    }
  }

  async ofRoom(userId: string, version: string, roomId: string): Promise<BackedUpKey[]> {
    return (await this.db.query<KeyRow & { [column: string]: unknown }>(ofRoom, [userId, version, roomId])).map((row) => keyOf(version, row));
  }

  async one(userId: string, version: string, roomId: string, sessionId: string): Promise<BackedUpKey | undefined> {
    const [row] = await this.db.query<KeyRow & { [column: string]: unknown }>(one, [userId, version, roomId, sessionId]);
    return row && keyOf(version, row);
  }
}

function keyOf(version: string, row: KeyRow): BackedUpKey {
  return {
    version, roomId: row.room_id, sessionId: row.session_id, isVerified: row.is_verified, firstMessageIndex: row.first_message_index,
    forwardedCount: row.forwarded_count, sessionData: row.session_data,
  };
}
