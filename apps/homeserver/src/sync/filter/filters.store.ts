import { Injectable } from '@nestjs/common';
import { Database, statement, type Transaction } from '../../storage/database.js';

const insert = statement(
  'filters.insert',
  'INSERT INTO filters (user_id, filter_id, json) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING 1',
);
const count = statement('filters.count', 'SELECT count(*)::int AS count FROM filters WHERE user_id = $1');
const select = statement('filters.select', 'SELECT json FROM filters WHERE user_id = $1 AND filter_id = $2');
const selectAll = statement('filters.select_all', 'SELECT filter_id, json FROM filters WHERE user_id = $1');

@Injectable()
export class FiltersStore {
  constructor(private readonly db: Database) {}

  /** Returns false when the account has the filter already. */
  async insert(tx: Transaction, userId: string, filterId: string, json: string): Promise<boolean> {
    return (await tx.query(insert, [userId, filterId, json])).length > 0;
  }

  async count(userId: string): Promise<number> {
    return (await this.db.query<{ count: number }>(count, [userId]))[0]!.count;
  }

  async find(userId: string, filterId: string): Promise<string | undefined> {
    return (await this.db.query<{ json: string }>(select, [userId, filterId]))[0]?.json;
  }

  all(userId: string): Promise<{ filter_id: string; json: string }[]> {
    return this.db.query(selectAll, [userId]);
  }
}
