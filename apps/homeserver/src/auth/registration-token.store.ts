import { Injectable } from '@nestjs/common';
import { Database, type Queryable, statement } from '../storage/database.js';

const columns = 'token, uses_allowed, used, expires_ts';
const selectAll = statement(
  'registration_token.list',
  `SELECT ${columns} FROM registration_tokens ORDER BY created_ts DESC LIMIT 1000`,
);
const select = statement('registration_token.get', `SELECT ${columns} FROM registration_tokens WHERE token = $1`);
const insert = statement(
  'registration_token.insert',
  `INSERT INTO registration_tokens (token, uses_allowed, expires_ts, created_ts) VALUES ($1, $2, $3, $4)
   ON CONFLICT DO NOTHING RETURNING token`,
);
const use = statement(
  'registration_token.use',
  `UPDATE registration_tokens SET used = used + 1
   WHERE token = $1 AND (uses_allowed IS NULL OR used < uses_allowed) AND (expires_ts IS NULL OR expires_ts > $2) RETURNING token`,
);
const remove = statement('registration_token.delete', 'DELETE FROM registration_tokens WHERE token = $1 RETURNING token');

export interface RegistrationToken {
  readonly token: string;
  /** null for any number. */
  readonly usesAllowed: number | null;
  readonly used: number;
  /** Milliseconds since the epoch; null for never. */
  readonly expiresTs: number | null;
}

interface RegistrationTokenRow {
  token: string;
  uses_allowed: number | null;
  used: number;
  expires_ts: number | null;
}

const toToken = (row: RegistrationTokenRow): RegistrationToken => ({
  token: row.token,
  usesAllowed: row.uses_allowed,
  used: row.used,
  expiresTs: row.expires_ts,
});

/** The table `registration_tokens`. */
@Injectable()
export class RegistrationTokenStore {
  constructor(private readonly db: Database) {}

  async list(): Promise<RegistrationToken[]> {
    return (await this.db.query<RegistrationTokenRow>(selectAll)).map(toToken);
  }

  async get(token: string): Promise<RegistrationToken | undefined> {
    const [row] = await this.db.query<RegistrationTokenRow>(select, [token]);
    return row && toToken(row);
  }

  /** @returns false when the token exists */
  async insert(token: string, usesAllowed: number | null, expiresTs: number | null, now: number): Promise<boolean> {
    return (await this.db.query(insert, [token, usesAllowed, expiresTs, now])).length === 1;
  }

  /** @returns false when the token is unknown, used up or expired */
  async use(db: Queryable, token: string, now: number): Promise<boolean> {
    return (await db.query(use, [token, now])).length === 1;
  }

  /** @returns false when there was none */
  async delete(token: string): Promise<boolean> {
    return (await this.db.query(remove, [token])).length === 1;
  }
}
