import { Injectable } from '@nestjs/common';
import type { JsonObject } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import type { Edu } from '../../federation/outbox/edu-outbox.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { Database, type Transaction } from '../../storage/database.js';
import { DeviceKeyStore } from '../keys/device-key.store.js';
import { DeviceListStore } from './device-list.store.js';
import { DeviceListWriter } from './device-list-writer.js';

/** All that an account on this server publishes about its devices (server-server-api `GET /user/devices`). */
export interface PublishedDevices {
  readonly streamId: number;
  readonly devices: readonly { readonly device_id: string; readonly keys: JsonObject; readonly device_display_name?: string }[];
  readonly master?: JsonObject;
  readonly selfSigning?: JsonObject;
}

/** Changes of the keys of accounts on this server: stored and told to whoever shares a room, here and elsewhere. */
@Injectable()
export class DeviceLists {
  constructor(
    private readonly db: Database,
    private readonly directory: AccountDirectory,
    private readonly memberships: Memberships,
    private readonly keys: DeviceKeyStore,
    private readonly store: DeviceListStore,
    private readonly writer: DeviceListWriter,
  ) {}

  /**
   * Stores a change of a device's keys (or the device's end) and tells of it.
   *
   * @param store stores the change; runs in the transaction of the announcement
   */
  async deviceChanged(userId: string, deviceId: string, store?: (tx: Transaction) => Promise<void>): Promise<void> {
    await this.writer.submit({
      userId,
      audience: '',
      wake: await this.#localAudience(userId),
      store,
      announce: {
        destinations: await this.memberships.serversSharingRoomWith(userId),
        edu: (tx, pos) => this.#deviceUpdate(tx, userId, deviceId, pos),
      },
    });
  }

  /**
   * Tells of all devices of an account anew, after a restore: what others have of it may be of a history that was lost. The update
   * names a predecessor that nobody has, so that they fetch the list.
   */
  async allChanged(userId: string): Promise<void> {
    await this.writer.submit({
      userId,
      audience: '',
      wake: await this.#localAudience(userId),
      announce: {
        destinations: await this.memberships.serversSharingRoomWith(userId),
        edu: async (tx, pos) => {
          await this.store.putStreamId(tx, userId, pos - 1);
          const [deviceId] = Object.keys((await this.keys.keysOf([userId], null, tx)).get(userId)?.devices ?? {});
          return this.#deviceUpdate(tx, userId, deviceId ?? 'none', pos);
        },
      },
    });
  }

  /** The same for the cross-signing keys of an account. */
  async crossSigningChanged(userId: string, store?: (tx: Transaction) => Promise<void>): Promise<void> {
    await this.writer.submit({
      userId,
      audience: '',
      wake: await this.#localAudience(userId),
      store,
      announce: {
        destinations: await this.memberships.serversSharingRoomWith(userId),
        edu: (tx) => this.#signingKeyUpdate(tx, userId),
      },
    });
  }

  /** A signature of an account on another user's key: seen by that account only. */
  async signatureChanged(signerId: string, targetUserId: string, store: (tx: Transaction) => Promise<void>): Promise<void> {
    await this.writer.submit({ userId: targetUserId, audience: signerId, wake: [signerId], store });
  }

  /** A user of another server has changed his keys. `store` keeps what is cached of them in step. */
  async remoteChanged(userId: string, wake: Iterable<string>, store: (tx: Transaction) => Promise<void>): Promise<void> {
    await this.writer.submit({ userId, audience: '', wake, store });
  }

  /** Accounts on this server that share a room with a user of any server. */
  async localSharers(userId: string): Promise<string[]> {
    return [...(await this.memberships.usersSharingRoomWith(userId))].filter((other) => this.directory.has(other));
  }

  /** What other servers may know of an account on this server, as it is now. */
  async published(userId: string): Promise<PublishedDevices> {
    // The number first: an update in between then comes once more, instead of never.
    const streamId = await this.store.streamId(this.db, userId);
    const keys = (await this.keys.keysOf([userId], null)).get(userId)!;
    const devices = Object.entries(keys.devices).map(([device_id, device]) => ({ device_id, ...split(device) }));
    return { streamId, devices, master: keys.master, selfSigning: keys.selfSigning };
  }

  async #localAudience(userId: string): Promise<string[]> {
    return [userId, ...(await this.localSharers(userId))];
  }

  async #deviceUpdate(tx: Transaction, userId: string, deviceId: string, pos: number): Promise<Edu> {
    const previous = await this.store.streamId(tx, userId);
    await this.store.putStreamId(tx, userId, pos);
    const device = (await this.keys.keysOf([userId], null, tx)).get(userId)?.devices[deviceId];
    return {
      edu_type: 'm.device_list_update',
      content: {
        user_id: userId,
        device_id: deviceId,
        stream_id: pos,
        prev_id: previous === 0 ? [] : [previous],
        ...(device ? split(device) : { deleted: true }),
      },
    };
  }

  async #signingKeyUpdate(tx: Transaction, userId: string): Promise<Edu> {
    const { master, selfSigning } = (await this.keys.crossSigningOf([userId], null, tx)).get(userId) ?? {};
    return {
      edu_type: 'm.signing_key_update',
      content: { user_id: userId, ...(master && { master_key: master }), ...(selfSigning && { self_signing_key: selfSigning }) },
    };
  }
}

/** Federation carries the display name beside the keys, not in them. */
function split({ unsigned, ...keys }: JsonObject): { keys: JsonObject; device_display_name?: string } {
  const name = (unsigned as { device_display_name?: unknown } | undefined)?.device_display_name;
  return { keys, ...(typeof name === 'string' && { device_display_name: name }) };
}
