import { Injectable } from '@nestjs/common';
import { Clock } from '../observability/clock.js';
import { Database } from '../storage/database.js';
import { AccountStore } from './account.store.js';
import { AccessTokens } from './access-tokens.js';
import { Devices } from './devices.js';
import { Profiles } from './profiles.js';

export interface DeactivationOptions {
  /** The person asked to have as much as possible erased. */
  readonly erase: boolean;
}

type DeactivationListener = (userId: string, options: DeactivationOptions) => Promise<void>;

/** Ends an account for good. Its name stays taken. */
@Injectable()
export class Deactivation {
  readonly #listeners = new Set<DeactivationListener>();

  constructor(
    private readonly store: AccountStore,
    private readonly tokens: AccessTokens,
    private readonly devices: Devices,
    private readonly profiles: Profiles,
    private readonly db: Database,
    private readonly clock: Clock,
  ) {}

  /** Logs out first, so that the account cannot act any more; then the listeners leave its rooms and erase its data. */
  async deactivate(userId: string, options: DeactivationOptions): Promise<void> {
    if (!(await this.store.deactivate(this.db, userId, this.clock.now()))) return;
    const devices = await this.devices.list(userId);
    await this.devices.delete(userId, devices.map(({ deviceId }) => deviceId));
    await this.tokens.revokeAll(userId);
    for (const listener of this.#listeners) await listener(userId, options);
    for (const key of Object.keys(await this.profiles.get(userId))) await this.profiles.set(userId, key, undefined);
  }

  /** Called once per deactivated account, e.g. to leave its rooms. */
  onDeactivated(listener: DeactivationListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
