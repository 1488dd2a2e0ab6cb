import { Injectable } from '@nestjs/common';
import type { JsonObject } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
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
  ) {}

  /** Keys of users of any server, as an account on this server may see them. */
  async query(viewer: string, wanted: DeviceSelection, timeoutMs: number): Promise<KeyQueryAnswer> {
    const { users, failures } = await this.keysOf([...wanted.keys()], viewer, timeoutMs);
    return answerOf(users, wanted, failures);
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
