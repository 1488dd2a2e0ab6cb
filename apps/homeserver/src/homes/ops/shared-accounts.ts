import { Injectable, type OnModuleInit } from '@nestjs/common';
import { homesInForce, type HomeEntry, type HomeRecord } from '#federation';
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
    for (const heard of await this.store.ofLocalAccounts()) this.#note(heard.record, homesInForce(heard));
    this.records.onFounded((record) => this.#changed(record, record.homes));
    this.records.onChanged(async (record, _previous, { now }) => this.#changed(record, now));
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

  #changed(record: HomeRecord, inForce: readonly HomeEntry[]): void {
    this.#note(record, inForce);
    if (this.#others.has(record.user_id)) for (const listener of this.#listeners) listener(record.user_id);
  }

  /** A home that only one of two records names, signed apart, writes on and exchanges nothing until they are merged. */
  #note(record: HomeRecord, inForce: readonly HomeEntry[]): void {
    const own = this.config.serverName;
    if (!record.homes.some((home) => home.server_name === own)) this.#others.delete(record.user_id);
    else if (!inForce.some((home) => home.server_name === own)) this.#others.set(record.user_id, []);
    else this.#others.set(record.user_id, inForce.flatMap(({ server_name: name }) => (name === own ? [] : [name])));
  }
}
