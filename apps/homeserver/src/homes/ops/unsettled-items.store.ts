import { Injectable } from '@nestjs/common';
import { Database, type Queryable, statement } from '../../storage/database.js';
import type { ItemName } from './operations.store.js';

const some = statement('unsettled.some', 'SELECT kind, op_key AS key FROM account_op_unsettled WHERE user_id = $1 LIMIT $2');
const put = statement(
  'unsettled.put', 'INSERT INTO account_op_unsettled (user_id, kind, op_key) SELECT $1, * FROM unnest($2::text[], $3::text[]) ON CONFLICT DO NOTHING',
);
const remove = statement(
  'unsettled.remove',
  `DELETE FROM account_op_unsettled u USING unnest($2::text[], $3::text[]) AS d (kind, op_key) WHERE u.user_id = $1 AND u.kind = d.kind AND u.op_key = d.op_key`,
);

/** The table `account_op_unsettled`: items of which the log says something else than the account's data may show. */
@Injectable()
export class UnsettledItemsStore {
  constructor(private readonly db: Database) {}

  async of(userId: string, limit: number): Promise<ItemName[]> {
    return this.db.query<{ kind: string; key: string }>(some, [userId, limit]);
  }

  async put(db: Queryable, userId: string, items: readonly ItemName[]): Promise<void> {
    if (items.length > 0) await db.query(put, [userId, items.map(({ kind }) => kind), items.map(({ key }) => key)]);
  }

  async remove(userId: string, items: readonly ItemName[]): Promise<void> {
    await this.db.query(remove, [userId, items.map(({ kind }) => kind), items.map(({ key }) => key)]);
  }
}
