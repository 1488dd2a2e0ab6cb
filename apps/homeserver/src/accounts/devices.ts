import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { Log } from '../observability/log.js';
import { Database, type Transaction } from '../storage/database.js';
import { type AccountChange, AccountOps, type RemoteChange } from './account-ops.js';
import { AccessTokenStore } from './access-token.store.js';
import { AccessTokens } from './access-tokens.js';
import { DeviceFollowUps, type DevicesListener } from './device-follow-ups.js';
import { type Device, DeviceStore } from './device.store.js';
import { LastSeen } from './last-seen.js';
import { RemovedDeviceStore } from './removed-device.store.js';

/** Devices of one account, so that lists stay readable. */
const MAX_DEVICES = 1000;

/** The devices of accounts. Deleting one takes its tokens; who keeps more for devices (keys, messages) listens. */
@Injectable()
export class Devices implements OnModuleInit, OnModuleDestroy {
  readonly #deleted: DeviceFollowUps;
  readonly #updated: DeviceFollowUps;

  constructor(
    private readonly store: DeviceStore,
    private readonly removed: RemovedDeviceStore,
    private readonly tokenStore: AccessTokenStore,
    private readonly tokens: AccessTokens,
    private readonly lastSeen: LastSeen,
    private readonly ops: AccountOps,
    private readonly db: Database,
    private readonly clock: Clock,
    log: Log,
  ) {
    this.#deleted = new DeviceFollowUps(log);
    this.#updated = new DeviceFollowUps(log);
  }

  onModuleInit(): void {
    this.ops.register('device', {
      merge: 'removal-wins',
      apply: (change) => this.#apply(change),
      snapshot: async (userId) => [
        ...(await this.store.list(userId)).map(({ deviceId, displayName }): AccountChange => ({
          kind: 'device', key: deviceId, value: { display_name: displayName },
        })),
        ...(await this.removed.ofUser(userId, MAX_DEVICES)).map((deviceId): AccountChange => ({ kind: 'device', key: deviceId, value: null })),
      ],
    });
  }

  onModuleDestroy(): void {
    this.#deleted.stop();
    this.#updated.stop();
  }

  async list(userId: string): Promise<Device[]> {
    return (await this.store.list(userId)).map((device) => this.#withSighting(userId, device));
  }

  async get(userId: string, deviceId: string): Promise<Device | undefined> {
    const device = await this.store.get(userId, deviceId);
    return device && this.#withSighting(userId, device);
  }

  /**
   * Makes the device unless it exists; the name is for new devices only.
   *
   * @param input `byAccountKey`: nothing but the account key proves who makes it, which whoever had the device may have kept
   * @param within runs in the transaction that makes a new one
   * @returns true when it is new
   * @throws MatrixError 403 M_FORBIDDEN when the account has too many devices, 403 IO_PARTYLINE_DEVICE_REMOVED
   */
  async upsert(
    input: { userId: string; deviceId: string; displayName?: string | null; byAccountKey?: boolean }, within?: (tx: Transaction) => Promise<void>,
  ): Promise<boolean> {
    const { userId, deviceId, displayName = null, byAccountKey = false } = input;
    const told = new Told();
    const isNew = await this.db.transaction(async (tx) => {
      if (byAccountKey && (await this.removed.has(tx, userId, deviceId))) {
        throw new MatrixError(403, 'IO_PARTYLINE_DEVICE_REMOVED', 'This device was removed; log in with the password, or as a new device');
      }
      const [isNew, count] = await Promise.all([this.store.insert(tx, userId, deviceId, displayName, this.clock.now()), this.store.count(tx, userId)]);
      if (!isNew) {
        // Left here when the account dropped this server, or known from rooms before it came: its other homes have to hear of the login.
        if (!(await this.ops.isWritten(tx, userId, { kind: 'device', key: deviceId }))) await this.#record(tx, userId, deviceId, { display_name: displayName });
        return false;
      }
      if (count > MAX_DEVICES) throw MatrixError.forbidden('This account has too many devices');
      await this.removed.take(tx, userId, deviceId);
      await this.#record(tx, userId, deviceId, { display_name: displayName });
      await within?.(tx);
      told.after(tx, () => this.#updated.begin(userId, [deviceId]));
      return true;
    });
    await told.all;
    return isNew;
  }

  /** @throws MatrixError 404 M_NOT_FOUND */
  async rename(userId: string, deviceId: string, displayName: string | null): Promise<void> {
    const told = new Told();
    await this.db.transaction(async (tx) => {
      if (!(await this.store.rename(tx, userId, deviceId, displayName))) throw MatrixError.notFound('No such device');
      await this.#record(tx, userId, deviceId, { display_name: displayName });
      told.after(tx, () => this.#updated.begin(userId, [deviceId]));
    });
    await told.all;
  }

  /** Deletes devices with their tokens; unknown ones are passed over. Resolves when the listeners are through. */
  async delete(userId: string, deviceIds: readonly string[]): Promise<void> {
    await this.#delete(userId, deviceIds, 'here');
  }

  /** Called on every request; costs no query. */
  touch(userId: string, deviceId: string, ip: string, userAgent: string | undefined): void {
    this.lastSeen.touch(userId, deviceId, ip, userAgent);
  }

  /** Called after devices were deleted. A listener that throws fails the request, but not the deletion. */
  onDeleted(listener: DevicesListener): () => void {
    return this.#deleted.add(listener);
  }

  /** Called after a device was made or renamed. */
  onUpdated(listener: DevicesListener): () => void {
    return this.#updated.add(listener);
  }

  async #delete(userId: string, deviceIds: readonly string[], removed: 'here' | 'elsewhere' | 'void'): Promise<void> {
    if (deviceIds.length === 0) return;
    const told = new Told();
    await this.db.transaction(async (tx) => {
      const deleted = await this.store.delete(tx, userId, deviceIds);
      const tokens = await this.tokenStore.deleteOfDevices(tx, userId, deviceIds);
      // Of another home's removal also those that are not here: their owner may be on the way.
      if (removed !== 'void') await this.removed.add(tx, userId, removed === 'here' ? deleted : deviceIds, this.clock.now());
      if (removed === 'here' && deleted.length > 0) {
        await this.ops.record(tx, userId, deleted.map((deviceId) => ({ kind: 'device', key: deviceId, value: null })));
      }
      tx.afterCommit(() => this.tokens.forget(tokens));
      if (deleted.length > 0) told.after(tx, () => this.#deleted.begin(userId, deleted));
    });
    await told.all;
  }

  async #apply(change: RemoteChange): Promise<void> {
    const { userId, key: deviceId, value } = change;
    if (value === null) {
      // Without a log nobody removed it: what had made it does not count any more (a cut).
      await this.#delete(userId, [deviceId], change.log === '' ? 'void' : 'elsewhere');
      return;
    }
    const name = (value as { display_name?: unknown }).display_name;
    const displayName = typeof name === 'string' ? name : null;
    const told = new Told();
    await this.db.transaction(async (tx) => {
      await this.removed.take(tx, userId, deviceId);
      if (!(await this.store.insert(tx, userId, deviceId, displayName, this.clock.now()))) await this.store.rename(tx, userId, deviceId, displayName);
      told.after(tx, () => this.#updated.begin(userId, [deviceId]));
    });
    await told.all;
  }

  #record(tx: Transaction, userId: string, deviceId: string, value: unknown): Promise<void> {
    return this.ops.record(tx, userId, [{ kind: 'device', key: deviceId, value }]);
  }

  #withSighting(userId: string, device: Device): Device {
    const seen = this.lastSeen.of(userId, device.deviceId);
    return seen ? { ...device, lastSeenTs: seen.ts, lastSeenIp: seen.ip, lastSeenUserAgent: seen.userAgent } : device;
  }
}

/** What was begun after a commit, for who made it. */
class Told {
  all: Promise<void> = Promise.resolve();

  after(tx: Transaction, begin: () => Promise<void>): void {
    tx.afterCommit(() => {
      this.all = begin();
    });
  }
}
