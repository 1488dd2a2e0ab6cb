import { Injectable } from '@nestjs/common';
import { Database, type Queryable, longStatement, statement, type Statement } from '../storage/database.js';
import type { Account, NewAccount } from './account.js';

const selectIds = longStatement('account.ids', 'SELECT user_id FROM accounts');
const select = statement(
  'account.get',
  `SELECT user_id, password_hash, is_guest, is_admin, is_suspended, is_locked, appservice_id, created_ts, deactivated_ts
   FROM accounts WHERE user_id = $1`,
);
const insert = statement(
  'account.insert',
  `INSERT INTO accounts (user_id, password_hash, is_guest, is_admin, appservice_id, created_ts) VALUES ($1, $2, $3, $4, $5, $6)
   ON CONFLICT DO NOTHING RETURNING user_id`,
);
const updatePassword = statement(
  'account.password',
  'UPDATE accounts SET password_hash = $2 WHERE user_id = $1 AND deactivated_ts IS NULL',
);
const upgradeGuest = statement(
  'account.upgrade',
  'UPDATE accounts SET is_guest = false, password_hash = $2 WHERE user_id = $1 AND is_guest AND deactivated_ts IS NULL RETURNING 1',
);
const updateStanding = statement(
  'account.standing',
  `UPDATE accounts SET is_admin = coalesce($2, is_admin), is_suspended = coalesce($3, is_suspended), is_locked = coalesce($4, is_locked)
   WHERE user_id = $1 RETURNING is_admin, is_suspended, is_locked`,
);
const updateDeactivated = statement(
  'account.deactivate',
  `UPDATE accounts SET deactivated_ts = $2, is_erased = $3, is_ending = true, password_hash = NULL, is_admin = false, ended_by = NULL,
     ended_epoch = coalesce((SELECT epoch FROM account_records WHERE user_id = $1), 0)
   WHERE user_id = $1 AND (deactivated_ts IS NULL OR ended_by IS NOT NULL) RETURNING ended_epoch`,
);
// Only of a home that the record names now. What makes the account whole again is kept.
const updateClosed = statement(
  'account.close',
  `UPDATE accounts SET deactivated_ts = $2, is_erased = $3, is_ending = true, ended_by = $4,
     ended_epoch = coalesce((SELECT epoch FROM account_records WHERE user_id = $1), 0)
   WHERE user_id = $1 AND deactivated_ts IS NULL AND EXISTS (
     SELECT 1 FROM account_records r, jsonb_array_elements(r.record::jsonb -> 'homes') home WHERE r.user_id = $1 AND home ->> 'server_name' = $4)
   RETURNING ended_epoch`,
);
const updateReopened = statement(
  'account.reopen',
  `UPDATE accounts SET deactivated_ts = NULL, is_erased = false, is_ending = false, ended_epoch = NULL, ended_by = NULL
   WHERE user_id = $1 AND ended_by IS NOT NULL AND NOT ended_by = ANY ($2)`,
);
const selectEnded = statement(
  'account.ended', 'SELECT is_erased, ended_by, coalesce(ended_epoch, 0)::bigint AS epoch FROM accounts WHERE user_id = $1 AND deactivated_ts IS NOT NULL',
);
const selectEpoch = statement('account.epoch', 'SELECT epoch FROM account_records WHERE user_id = $1');
const selectEnding = statement(
  'account.ending', 'SELECT user_id, is_erased FROM accounts WHERE is_ending AND (ended_by IS NULL OR deactivated_ts < $1)',
);
const updateEnded = statement('account.has_ended', 'UPDATE accounts SET is_ending = false, password_hash = NULL, is_admin = false, ended_by = NULL WHERE user_id = $1');
const updateRevived = statement(
  'account.revive',
  `UPDATE accounts SET deactivated_ts = NULL, is_erased = false, is_ending = false, ended_epoch = NULL, ended_by = NULL
   WHERE user_id = $1 AND deactivated_ts IS NOT NULL AND coalesce(ended_epoch, 0) < $2`,
);
const remove = statement('account.delete', 'DELETE FROM accounts WHERE user_id = $1');

interface AccountRow {
  user_id: string;
  password_hash: string | null;
  is_guest: boolean;
  is_admin: boolean;
  is_suspended: boolean;
  is_locked: boolean;
  appservice_id: string | null;
  created_ts: number;
  deactivated_ts: number | null;
}

/** Flags that administrators set; undefined leaves one as it is. */
export interface Standing {
  readonly isAdmin?: boolean;
  readonly isSuspended?: boolean;
  readonly isLocked?: boolean;
}

/** The table `accounts`. */
@Injectable()
export class AccountStore {
  constructor(private readonly db: Database) {}

  async ids(): Promise<string[]> {
    return (await this.db.query<{ user_id: string }>(selectIds)).map((row) => row.user_id);
  }

  async get(userId: string): Promise<Account | undefined> {
    const [row] = await this.db.query<AccountRow>(select, [userId]);
    return row && toAccount(row);
  }

  /** The statement that makes an account: it finds no row when the name is taken. */
  insert(account: NewAccount, createdTs: number): [Statement, unknown[]] {
    const { userId, passwordHash = null, isGuest = false, isAdmin = false, appserviceId = null } = account;
    return [insert, [userId, passwordHash, isGuest, isAdmin, appserviceId, createdTs]];
  }

  async setPassword(userId: string, passwordHash: string | null): Promise<void> {
    await this.db.query(updatePassword, [userId, passwordHash]);
  }

  /** @returns false when there is no such guest */
  async upgradeGuest(db: Queryable, userId: string, passwordHash: string): Promise<boolean> {
    return (await db.query(upgradeGuest, [userId, passwordHash])).length > 0;
  }

  /** @returns what holds now; undefined when there is no such account */
  async setStanding(db: Queryable, userId: string, standing: Standing): Promise<Required<Standing> | undefined> {
    const { isAdmin = null, isSuspended = null, isLocked = null } = standing;
    const [row] = await db.query<Pick<AccountRow, 'is_admin' | 'is_suspended' | 'is_locked'>>(updateStanding, [userId, isAdmin, isSuspended, isLocked]);
    return row && { isAdmin: row.is_admin, isSuspended: row.is_suspended, isLocked: row.is_locked };
  }

  /** @returns the epoch of its record, 0 without one; undefined when it was deactivated before */
  async deactivate(db: Queryable, userId: string, ts: number, isErased: boolean): Promise<number | undefined> {
    return (await db.query<{ ended_epoch: number }>(updateDeactivated, [userId, ts, isErased]))[0]?.ended_epoch;
  }

  /** The epoch of the account's record, which only the recovery key raises; 0 without a record. */
  async epoch(userId: string): Promise<number> {
    return (await this.db.query<{ epoch: number }>(selectEpoch, [userId]))[0]?.epoch ?? 0;
  }

  /** At the word of another home alone. @returns whether that one is a home of the account, which lived */
  async close(userId: string, ts: number, isErased: boolean, home: string): Promise<boolean> {
    return (await this.db.query(updateClosed, [userId, ts, isErased, home])).length === 1;
  }

  /** The record does not name the home any more at whose word the account was closed. */
  async reopen(userId: string, homes: readonly string[]): Promise<void> {
    await this.db.query(updateReopened, [userId, homes]);
  }

  /** How the account has ended, `closedBy` a home if only that one has said so; undefined while it lives. */
  async ended(userId: string): Promise<{ isErased: boolean; epoch: number; closedBy: string | null } | undefined> {
    const [row] = await this.db.query<{ is_erased: boolean; epoch: number; ended_by: string | null }>(selectEnded, [userId]);
    return row && { isErased: row.is_erased, epoch: row.epoch, closedBy: row.ended_by };
  }

  /** Accounts of which something is still to be done. @param closedBefore milliseconds, for those that only another home has ended */
  async ending(closedBefore: number): Promise<{ userId: string; isErased: boolean }[]> {
    const rows = await this.db.query<{ user_id: string; is_erased: boolean }>(selectEnding, [closedBefore]);
    return rows.map((row) => ({ userId: row.user_id, isErased: row.is_erased }));
  }

  async hasEnded(userId: string): Promise<void> {
    await this.db.query(updateEnded, [userId]);
  }

  /** By a record of a higher epoch than the one with which it ended. */
  async revive(userId: string, epoch: number): Promise<void> {
    await this.db.query(updateRevived, [userId, epoch]);
  }

  async delete(db: Queryable, userId: string): Promise<void> {
    await db.write(remove, [userId]);
  }
}

function toAccount(row: AccountRow): Account {
  return {
    userId: row.user_id,
    passwordHash: row.password_hash,
    isGuest: row.is_guest,
    isAdmin: row.is_admin,
    isSuspended: row.is_suspended,
    isLocked: row.is_locked,
    appserviceId: row.appservice_id,
    createdTs: row.created_ts,
    deactivatedTs: row.deactivated_ts,
  };
}
