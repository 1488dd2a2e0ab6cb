import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { HomeRecord } from '#federation';
import { Config } from '../../config/config.js';
import { AccountRecordStore } from '../records/account-record.store.js';
import { HomeRecords } from '../records/home-records.js';

/** Which accounts have a home here, and which other ones. In memory, because every change of account data asks. */
@Injectable()
export class SharedAccounts implements OnModuleInit {
  /** Other homes by account; empty for those that live here alone. */
  readonly #others = new Map<string, readonly string[]>();
  readonly #listeners = new Set<(userId: string) => void>();

  constructor(
    private readonly config: Config,
    private readonly store: AccountRecordStore,
    private readonly records: HomeRecords,
  ) {}

  async onModuleInit(): Promise<void> {
    for (const record of await this.store.ofLocalAccounts()) this.#note(record);
    this.records.onFounded((record) => this.#changed(record));
    this.records.onChanged(async (record) => this.#changed(record));
  }

  /** Whether changes of the account's data are written to a log: it has a record that names this server. */
  hasLog(userId: string): boolean {
    return this.#others.has(userId);
  }

  /** The other homes; empty for accounts that live here alone, or not at all. */
  others(userId: string): readonly string[] {
    return this.#others.get(userId) ?? [];
  }

  /** All accounts with a record that names this server. */
  all(): Iterable<string> {
    return this.#others.keys();
  }

  /** Called when an account that lives here got a record, its first one too. */
  onChanged(listener: (userId: string) => void): void {
    this.#listeners.add(listener);
  }

  #changed(record: HomeRecord): void {
    this.#note(record);
    if (this.#others.has(record.user_id)) for (const listener of this.#listeners) listener(record.user_id);
  }

  #note(record: HomeRecord): void {
    const names = record.homes.map((home) => home.server_name);
    if (!names.includes(this.config.serverName)) this.#others.delete(record.user_id);
    else this.#others.set(record.user_id, names.filter((name) => name !== this.config.serverName));
  }
}
