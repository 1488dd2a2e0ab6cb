import { Injectable } from '@nestjs/common';
import { serverNameOf, type JsonObject } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { AccountServers } from '../../accounts/account-servers.js';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { RemoteDeviceLists } from '../device-lists/remote-device-lists.js';
import { DeviceKeyStore } from './device-key.store.js';
import type { UserKeys } from './key-object.js';

/** User id → device ids; an empty list is all devices. */
export type DeviceSelection = ReadonlyMap<string, readonly string[]>;

/** The answer of `/keys/query`. */
export interface KeyQueryAnswer {
  readonly device_keys: Record<string, Record<string, JsonObject>>;
  readonly master_keys: Record<string, JsonObject>;
  readonly self_signing_keys: Record<string, JsonObject>;
  readonly user_signing_keys: Record<string, JsonObject>;
  /** By server that did not answer. */
  readonly failures: Record<string, object>;
}

/** Answers who has which devices and keys. */
@Injectable()
export class KeyQuery {
  constructor(
    private readonly directory: AccountDirectory,
    private readonly store: DeviceKeyStore,
    private readonly remote: RemoteDeviceLists,
    private readonly servers: AccountServers,
    private readonly serverKeys: ServerKeys,
  ) {}

  /** Keys of users of any server, as an account on this server may see them. */
  async query(viewer: string, wanted: DeviceSelection, timeoutMs: number): Promise<KeyQueryAnswer> {
    const { users, failures } = await this.keysOf([...wanted.keys()], viewer, timeoutMs);
    const shown = (await this.#lacksSignatures(viewer)) ? new Map([...users].map(([userId, keys]) => [userId, userId === viewer ? keys : { devices: keys.devices }])) : users;
    return answerOf(shown, wanted, failures);
  }

  /**
   * Whether this is a home that the account's copy has not reached, which has none of its signatures (protocol §4, "Kinds"). A client
   * that is given a master key without its own signature takes back that it has verified it; of one that is not given it keeps what it
   * knows.
   */
  async #lacksSignatures(viewer: string): Promise<boolean> {
    if (serverNameOf(viewer) === this.serverKeys.serverName) return false;
    const own = (await this.store.crossSigningOf([viewer], viewer)).get(viewer);
    if (own?.userSigning) return false;
    // A stranger's server may know it, or the account's record.
    return own?.master !== undefined || typeof (await this.servers.knownRecord(viewer))?.master_key === 'string';
  }

  /** Keys of accounts on this server, as another server may see them; others are missing. */
  async queryLocal(wanted: DeviceSelection): Promise<Omit<KeyQueryAnswer, 'failures' | 'user_signing_keys'>> {
    const local = [...wanted.keys()].filter((userId) => this.directory.has(userId));
    const { failures: _none, user_signing_keys: _private, ...answer } = answerOf(await this.store.keysOf(local, null), wanted, {});
    return answer;
  }

  async keysOf(
    userIds: readonly string[], viewer: string, timeoutMs: number,
  ): Promise<{ users: Map<string, UserKeys>; failures: Record<string, object> }> {
    const local = userIds.filter((userId) => this.directory.has(userId));
    const elsewhere = userIds.filter((userId) => !this.directory.has(userId));
    const here = await this.store.keysOf(local, viewer);
    if (elsewhere.length === 0) return { users: here, failures: {} };
    const { users, failures } = await this.remote.keysOf(elsewhere, viewer, timeoutMs);
    return { users: new Map([...here, ...users]), failures };
  }
}

function answerOf(users: ReadonlyMap<string, UserKeys>, wanted: DeviceSelection, failures: Record<string, object>): KeyQueryAnswer {
  const answer: KeyQueryAnswer = { device_keys: {}, master_keys: {}, self_signing_keys: {}, user_signing_keys: {}, failures };
  for (const [userId, { devices, master, selfSigning, userSigning }] of users) {
    const deviceIds = wanted.get(userId) ?? [];
    answer.device_keys[userId] = deviceIds.length === 0
      ? { ...devices }
      : Object.fromEntries(deviceIds.filter((id) => Object.hasOwn(devices, id)).map((id) => [id, devices[id]!]));
    if (master) answer.master_keys[userId] = master;
    if (selfSigning) answer.self_signing_keys[userId] = selfSigning;
    if (userSigning) answer.user_signing_keys[userId] = userSigning;
  }
  return answer;
}
