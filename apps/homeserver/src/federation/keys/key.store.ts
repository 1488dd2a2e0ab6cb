import { Injectable } from '@nestjs/common';
import type { Repository } from 'typeorm';
import { Database } from '../../storage/database.js';
import { ServerKey, ServerKeyResponse } from './server-key.entity.js';

export type StoredKey = Readonly<Omit<ServerKey, 'serverName'>>;
export type StoredResponse = Readonly<Omit<ServerKeyResponse, 'serverName'>>;

/** Keys of other servers, accumulated. */
@Injectable()
export class KeyStore {
  readonly #keys: Repository<ServerKey>;
  readonly #responses: Repository<ServerKeyResponse>;

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

  /** A shorter validity replaces a longer one: that is how a server takes a key back. Each is complete without the other. */
  async save(serverName: string, keys: readonly StoredKey[], response: StoredResponse): Promise<void> {
    await this.db.dataSource.transaction(async (manager) => {
      await manager.upsert(ServerKey, keys.map((key) => ({ ...key, serverName })), ['serverName', 'keyId']);
      await manager.upsert(ServerKeyResponse, { ...response, serverName }, ['serverName']);
    });
  }
}
