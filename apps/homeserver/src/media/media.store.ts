import { Injectable } from '@nestjs/common';
import { Database, statement, type Transaction } from '../storage/database.js';
import type { Media } from './media.entity.js';
import type { MediaAddress } from './media-address.js';

/** A row of an address with that of its file. */
export interface FoundMedia {
  readonly user_id: string | null;
  /** Null while nothing was uploaded. */
  readonly sha256: string | null;
  readonly content_type: string;
  readonly filename: string | null;
  readonly expires_ts: number | null;
  /** Null where the file is not here. */
  readonly file_bytes: number | null;
  readonly sniffed_type: string | null;
  readonly read_ts: number | null;
}

const find = statement(
  'media.find',
  `SELECT m.user_id, m.sha256, m.content_type, m.filename, m.expires_ts, f.bytes AS file_bytes, f.sniffed_type, f.read_ts
   FROM media m LEFT JOIN media_files f ON f.sha256 = m.sha256 WHERE m.server_name = $1 AND m.media_id = $2`,
);
// Those first that an account here has uploaded.
const byHash = statement(
  'media.by-hash',
  `SELECT m.user_id, f.sha256, m.content_type, m.filename, m.expires_ts, f.bytes AS file_bytes, f.sniffed_type, f.read_ts
   FROM media_files f JOIN media m ON m.sha256 = f.sha256 WHERE f.sha256 = $1 ORDER BY m.user_id NULLS LAST LIMIT 20`,
);
// Of this server itself, such as the image of a preview.
const unowned = statement('media.unowned', 'SELECT media_id FROM media WHERE sha256 = $1 AND server_name = $2 AND user_id IS NULL LIMIT 1');
const file = statement('media.file', 'SELECT sha256, bytes, sniffed_type FROM media_files WHERE sha256 = $1');
const usage = statement('media.usage', 'SELECT coalesce(sum(bytes), 0)::bigint AS bytes FROM media WHERE user_id = $1');
const pending = statement('media.pending', 'SELECT count(*)::int AS n FROM media WHERE user_id = $1 AND expires_ts > $2');
const addFile = statement(
  'media.add-file',
  `INSERT INTO media_files (sha256, bytes, sniffed_type, read_ts) VALUES ($1, $2, $3, $4)
   ON CONFLICT (sha256) DO UPDATE SET read_ts = greatest(media_files.read_ts, excluded.read_ts)`,
);
const fill = statement(
  'media.fill',
  `UPDATE media SET sha256 = $3, bytes = $4, content_type = $5, filename = $6, expires_ts = NULL
   WHERE server_name = $1 AND media_id = $2 AND sha256 IS NULL RETURNING media_id`,
);
const add = statement(
  'media.add',
  `INSERT INTO media (server_name, media_id, user_id, sha256, bytes, content_type, filename, created_ts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
   ON CONFLICT (server_name, media_id) DO NOTHING`,
);
const hashOf = statement('media.hash-of', 'SELECT sha256 FROM media WHERE server_name = $1 AND media_id = $2');
const touch = statement('media.touch', 'UPDATE media_files SET read_ts = $2 WHERE sha256 = $1');
const expire = statement('media.expire', 'DELETE FROM media WHERE expires_ts <= $1');

/** What is asked with each download and upload. */
@Injectable()
export class MediaStore {
  constructor(private readonly db: Database) {}

  async find({ serverName, mediaId }: MediaAddress): Promise<FoundMedia | undefined> {
    return (await this.db.query<FoundMedia & Record<string, unknown>>(find, [serverName, mediaId]))[0];
  }

  /** What names a file that is here, at most twenty. */
  byHash(sha256: string): Promise<FoundMedia[]> {
    return this.db.query<FoundMedia & Record<string, unknown>>(byHash, [sha256]);
  }

  /** An address of a server that names a file which no account here has uploaded. */
  async unowned(serverName: string, sha256: string): Promise<string | undefined> {
    return (await this.db.query<{ media_id: string }>(unowned, [sha256, serverName]))[0]?.media_id;
  }

  async file(sha256: string): Promise<{ readonly bytes: number; readonly sniffed_type: string | null } | undefined> {
    return (await this.db.query<{ bytes: number; sniffed_type: string | null }>(file, [sha256]))[0];
  }

  /** Bytes of all that an account has uploaded. */
  async usage(userId: string): Promise<number> {
    return (await this.db.query<{ bytes: number }>(usage, [userId]))[0]!.bytes;
  }

  /** Addresses that an account has reserved and not used. */
  async pending(userId: string, now: number): Promise<number> {
    return (await this.db.query<{ n: number }>(pending, [userId, now]))[0]!.n;
  }

  async addFile(tx: Transaction, file: { sha256: string; bytes: number; sniffedType: string | null; readTs: number }): Promise<void> {
    await tx.query(addFile, [file.sha256, file.bytes, file.sniffedType, file.readTs]);
  }

  /** Gives a reserved address its file. @returns false when it has one, or has ended */
  async fill(
    tx: Transaction, { serverName, mediaId }: MediaAddress, file: { sha256: string; bytes: number; contentType: string; filename: string | null },
  ): Promise<boolean> {
    return (await tx.query(fill, [serverName, mediaId, file.sha256, file.bytes, file.contentType, file.filename])).length > 0;
  }

  /**
   * Notes what an address of another server names, unless that is known: an address never changes what it names, and others may be told
   * of it at the same time.
   *
   * @returns the hash that is known
   */
  async add(tx: Transaction, { serverName, mediaId, userId, sha256, bytes, contentType, filename, createdTs }: Media): Promise<string | null> {
    await tx.query(add, [serverName, mediaId, userId, sha256, bytes, contentType, filename, createdTs]);
    return (await tx.query<{ sha256: string | null }>(hashOf, [serverName, mediaId]))[0]!.sha256;
  }

  async touch(sha256: string, now: number): Promise<void> {
    await this.db.query(touch, [sha256, now]);
  }

  /** Forgets the addresses that were never used. */
  async expire(now: number): Promise<void> {
    await this.db.query(expire, [now]);
  }
}
