import { Injectable } from '@nestjs/common';
import { canonicalJson, recordHash, type HomeRecord } from '#federation';
import { parseStoredJson } from '#json';
import { Database, type Queryable, statement } from '../../storage/database.js';

const select = statement('former_record.of', 'SELECT record FROM account_former_records WHERE user_id = $1 ORDER BY epoch, seq, sha256');
const insert = statement(
  'former_record.put',
  'INSERT INTO account_former_records (user_id, epoch, seq, sha256, record) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING',
);

/** The table `account_former_records`. */
@Injectable()
export class FormerRecordsStore {
  constructor(private readonly db: Database) {}

  async of(userId: string): Promise<HomeRecord[]> {
    return (await this.db.query<{ record: string }>(select, [userId])).map((row) => parseStoredJson(row.record) as HomeRecord);
  }

  async put(db: Queryable, record: HomeRecord): Promise<void> {
    await db.write(insert, [record.user_id, record.epoch, record.seq, recordHash(record), canonicalJson(record)]);
  }
}
