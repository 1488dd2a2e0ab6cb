import { Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { parseStoredJson } from '#json';
import { Database, type Reads } from '../../storage/database.js';
import { PastKeyResponse, ServerKey, ServerKeyResponse } from './server-key.entity.js';

export type StoredKey = Readonly<Omit<ServerKey, 'serverName'>>;
export type StoredResponse = Readonly<Omit<ServerKeyResponse, 'serverName'>>;

/** Former key objects that are kept per server. */
const MAX_PAST = 20;

/** Keys of other servers, accumulated. */
@Injectable()
export class KeyStore {
  readonly #keys: Reads<ServerKey>;
  readonly #responses: Reads<ServerKeyResponse>;

  constructor(private readonly db: Database) {
    this.#keys = db.repository(ServerKey);
    this.#responses = db.repository(ServerKeyResponse);
  }

  keys(serverName: string): Promise<StoredKey[]> {
    return this.#keys.findBy({ serverName });
  }

  async response(serverName: string): Promise<StoredResponse | undefined> {
    return (await this.#responses.findOneBy({ serverName })) ?? undefined;
  }

  /** The last objects that named these keys as in use, where the newest one does not. */
  async past(serverName: string, keyIds: readonly string[]): Promise<string[]> {
    const found = await this.db.repository(PastKeyResponse).findBy({ serverName, keyId: In(keyIds) });
    return [...new Set(found.map(({ json }) => json))];
  }

  /** A shorter validity replaces a longer one: that is how a server takes a key back. Each is complete without the other. */
  async save(serverName: string, keys: readonly StoredKey[], response: StoredResponse): Promise<void> {
    await this.db.transaction(async (tx) => {
      const [allKeys, responses, past] = [tx.repository(ServerKey), tx.repository(ServerKeyResponse), tx.repository(PastKeyResponse)];
      const before = await responses.findOneBy({ serverName });
      const inUse = new Set(keys.filter(({ expiredTs }) => expiredTs === null).map(({ keyId }) => keyId));
      const lost = before ? keysInUse(before.json).filter((keyId) => !inUse.has(keyId)) : [];
      if (before && lost.length > 0) {
        const { json, fetchedTs } = before;
        await past.upsert(lost.map((keyId) => ({ serverName, keyId, json, fetchedTs })), ['serverName', 'keyId']);
        const old = await past.find({ where: { serverName }, order: { fetchedTs: 'DESC' }, skip: MAX_PAST });
        if (old.length > 0) await past.remove(old);
      }
      await allKeys.upsert(keys.map((key) => ({ ...key, serverName })), ['serverName', 'keyId']);
      await responses.upsert({ ...response, serverName }, ['serverName']);
    });
  }
}

/** @param json a key object that was checked when it came */
export function keysInUse(json: string): string[] {
  return Object.keys((parseStoredJson(json) as { verify_keys: object }).verify_keys);
}
