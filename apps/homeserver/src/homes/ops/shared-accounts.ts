import { Injectable, type OnModuleInit } from '@nestjs/common';
import { homesInForce, type HeardRecords } from '#federation';
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
    for (const heard of await this.store.ofLocalAccounts()) this.#note(heard);
    this.records.onFounded((record) => this.#changed({ record, rivals: [], keys: {} }));
    this.records.onChanged(async ({ user_id: userId }) => {
      const heard = await this.records.heard(userId);
      if (heard) this.#changed(heard);
    });
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

  #changed(heard: HeardRecords): void {
    this.#note(heard);
    const { user_id: userId } = heard.record;
    if (this.#others.has(userId)) for (const listener of this.#listeners) listener(userId);
  }

  /** A home that only one of two records names, signed apart, writes on and exchanges nothing until they are merged. */
  #note(heard: HeardRecords): void {
    const own = this.config.serverName;
    const { record, keys } = heard;
    const entry = record.homes.find((home) => home.server_name === own);
    const inForce = homesInForce(heard).map((home) => home.server_name);
    if (!entry || keys[entry.key]?.[1]) this.#others.delete(record.user_id);
    else this.#others.set(record.user_id, inForce.includes(own) ? inForce.filter((name) => name !== own) : []);
  }
}
