import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { HomeRecord } from '#federation';
import { Config } from '../../config/config.js';
import { AccountRecordStore } from '../records/account-record.store.js';
import { HomeRecords } from '../records/home-records.js';

/** Which accounts of this server have other homes too. In memory, because every change of account data asks. */
@Injectable()
export class SharedAccounts implements OnModuleInit {
  readonly #others = new Map<string, readonly string[]>();
  readonly #listeners = new Set<(userId: string) => void>();

  constructor(
    private readonly config: Config,
    private readonly store: AccountRecordStore,
    private readonly records: HomeRecords,
  ) {}

  async onModuleInit(): Promise<void> {
    for (const record of await this.store.ofLocalAccounts()) this.#note(record);
    this.records.onChanged(async (record) => {
      this.#note(record);
      if (this.#others.has(record.user_id)) for (const listener of this.#listeners) listener(record.user_id);
    });
  }

  /** The other homes; empty for accounts that live here alone, or not at all. */
  others(userId: string): readonly string[] {
    return this.#others.get(userId) ?? [];
  }

  all(): Iterable<string> {
    return this.#others.keys();
  }

  /** Called when an account's homes have changed and there are others. */
  onChanged(listener: (userId: string) => void): void {
    this.#listeners.add(listener);
  }

  #note(record: HomeRecord): void {
    const names = record.homes.map((home) => home.server_name);
    const others = names.filter((name) => name !== this.config.serverName);
    if (names.includes(this.config.serverName) && others.length > 0) this.#others.set(record.user_id, others);
    else this.#others.delete(record.user_id);
  }
}
