import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';

export interface StoredKey {
  readonly keyId: string;
  readonly publicKey: string;
  readonly validUntilTs: number;
  readonly expiredTs: number | null;
}

export interface StoredResponse {
  readonly json: string;
  readonly fetchedTs: number;
  readonly validUntilTs: number;
}

const selectKeys = statement(
  'server_keys.of_server',
  'SELECT key_id AS "keyId", public_key AS "publicKey", valid_until_ts AS "validUntilTs", expired_ts AS "expiredTs" FROM server_keys WHERE server_name = $1',
);
const selectResponse = statement(
  'server_key_responses.get',
  'SELECT json, fetched_ts AS "fetchedTs", valid_until_ts AS "validUntilTs" FROM server_key_responses WHERE server_name = $1',
);
const saveResponse = statement(
  'server_key_responses.save',
  `INSERT INTO server_key_responses (server_name, json, fetched_ts, valid_until_ts) VALUES ($1, $2, $3, $4)
   ON CONFLICT (server_name) DO UPDATE SET json = excluded.json, fetched_ts = excluded.fetched_ts, valid_until_ts = excluded.valid_until_ts`,
);
const keyRows = new RowInserter(
  'server_keys.save',
  'server_keys',
  ['server_name', 'key_id', 'public_key', 'valid_until_ts', 'expired_ts'],
  // A shorter validity replaces a longer one: that is how a server takes a key back.
  `ON CONFLICT (server_name, key_id) DO UPDATE
   SET public_key = excluded.public_key, valid_until_ts = excluded.valid_until_ts, expired_ts = excluded.expired_ts`,
);

/** Keys of other servers, accumulated; keys that vanish from a server's answers stay with their last validity. */
@Injectable()
export class KeyStore {
  constructor(private readonly db: Database) {}

  keys(serverName: string): Promise<StoredKey[]> {
    return this.db.query<StoredKey & Record<string, unknown>>(selectKeys, [serverName]);
  }

  async response(serverName: string): Promise<StoredResponse | undefined> {
    return (await this.db.query<StoredResponse & Record<string, unknown>>(selectResponse, [serverName]))[0];
  }

  async save(serverName: string, keys: readonly StoredKey[], response: StoredResponse): Promise<void> {
    await this.db.transaction(async (tx) => {
      await keyRows.insert(tx, keys.map((key) => [serverName, key.keyId, key.publicKey, key.validUntilTs, key.expiredTs]));
      await tx.query(saveResponse, [serverName, response.json, response.fetchedTs, response.validUntilTs]);
    });
  }
}
