import { Injectable } from '@nestjs/common';
import type { LogPlaces } from '#federation';
import { parseStoredJson } from '#json';
import { Database, type Queryable, statement } from '../../storage/database.js';

const columns = 'home, places, is_behind, compared_ts, unequal, skew_ms, refused';
const select = statement('account_peer.get', `SELECT ${columns} FROM account_op_peers WHERE user_id = $1 AND home = $2`);
const selectAll = statement('account_peer.of', `SELECT ${columns} FROM account_op_peers WHERE user_id = $1`);
const meet = statement(
  'account_peer.meet',
  `INSERT INTO account_op_peers (user_id, home, places, is_behind, compared_ts, unequal, skew_ms, refused)
   SELECT $1, home, '{}', true, 0, '[]', 0, '[]' FROM unnest($2::text[]) AS home ON CONFLICT DO NOTHING`,
);
const part = statement('account_peer.part', 'DELETE FROM account_op_peers WHERE user_id = $1 AND home <> ALL($2)');
const heard = statement(
  'account_peer.heard',
  `UPDATE account_op_peers SET places = $3, is_behind = $4, skew_ms = coalesce($5, skew_ms), refused = coalesce($6, refused) WHERE user_id = $1 AND home = $2`,
);
const uncompared = statement('account_peer.uncompared', 'UPDATE account_op_peers SET compared_ts = 0 WHERE user_id = $1');
const compared = statement('account_peer.compared', 'UPDATE account_op_peers SET compared_ts = $3, unequal = $4 WHERE user_id = $1 AND home = $2');

/** What is known of another home of an account. */
export interface AccountPeer {
  readonly home: string;
  /** Ends that it said it holds. */
  readonly places: LogPlaces;
  readonly isBehind: boolean;
  /** Milliseconds of the last comparison; 0 for never. */
  readonly comparedTs: number;
  /** Kinds in which it was unequal after two rounds. */
  readonly unequal: readonly string[];
  /** How far its clock is ahead, milliseconds. */
  readonly skewMs: number;
  /** `[log, n, why]`: what it did not take. */
  readonly refused: readonly unknown[];
}

interface Row { home: string; places: string; is_behind: boolean; compared_ts: number; unequal: string; skew_ms: number; refused: string }

/** The table `account_op_peers`. */
@Injectable()
export class AccountPeersStore {
  constructor(private readonly db: Database) {}

  async get(userId: string, home: string): Promise<AccountPeer | undefined> {
    const [row] = await this.db.query<Row>(select, [userId, home]);
    return row && peer(row);
  }

  async of(userId: string): Promise<AccountPeer[]> {
    return (await this.db.query<Row>(selectAll, [userId])).map(peer);
  }

  /** The other homes of an account are these. */
  async meet(userId: string, homes: readonly string[]): Promise<void> {
    await this.db.query(part, [userId, homes]);
    await this.db.query(meet, [userId, homes]);
  }

  /** What a home said last; undefined members are as they were. */
  async heard(userId: string, home: string, said: { places: LogPlaces; isBehind: boolean; skewMs?: number | undefined; refused?: readonly unknown[] | undefined }): Promise<void> {
    const refused = said.refused === undefined ? null : JSON.stringify(said.refused);
    await this.db.query(heard, [userId, home, JSON.stringify(said.places), said.isBehind, said.skewMs ?? null, refused]);
  }

  /** Something came that no home was compared with yet. */
  async uncompared(db: Queryable, userId: string): Promise<void> {
    await db.write(uncompared, [userId]);
  }

  async compared(userId: string, home: string, now: number, unequal: readonly string[]): Promise<void> {
    await this.db.query(compared, [userId, home, now, JSON.stringify(unequal)]);
  }
}

function peer(row: Row): AccountPeer {
  return {
    home: row.home, places: parseStoredJson(row.places) as LogPlaces, isBehind: row.is_behind, comparedTs: row.compared_ts,
    unequal: parseStoredJson(row.unequal) as string[], skewMs: row.skew_ms, refused: parseStoredJson(row.refused) as unknown[],
  };
}
