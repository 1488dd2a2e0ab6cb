import { Injectable } from '@nestjs/common';
import { type JsonObject, verifyJson } from '#federation';
import { AccountOps } from '../../accounts/account-ops.js';
import { boundedJson } from '../../accounts/bounded-json.js';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { DeviceLists } from '../device-lists/device-lists.js';
import { DeviceKeyStore } from './device-key.store.js';
import { type CrossSigningUsage, MAX_KEY_OBJECT_BYTES, publicKeyOf, type UserKeys } from './key-object.js';

/** Keys that an account uploads; undefined ones stay as they are. */
export type CrossSigningUpload = Partial<Record<CrossSigningUsage, JsonObject>>;

interface CheckedKey {
  readonly usage: CrossSigningUsage;
  readonly publicKey: string;
  readonly key: JsonObject;
}

/** `POST /keys/device_signing/upload`. */
@Injectable()
export class CrossSigning {
  constructor(
    private readonly store: DeviceKeyStore,
    private readonly deviceLists: DeviceLists,
    private readonly ops: AccountOps,
    private readonly identities: HomeIdentities,
  ) {}

  /**
   * Checks the keys and tells what their upload needs: the first keys of an account need no proof, and the same keys again
   * change nothing (client-api, v1.11).
   *
   * @throws MatrixError 400 M_INVALID_PARAM, M_MISSING_PARAM or M_INVALID_SIGNATURE; 403 M_FORBIDDEN, also for another master
   *   key than the one in the account's home record: the other homes would refuse it (protocol §4)
   */
  async check(
    userId: string, upload: CrossSigningUpload,
  ): Promise<{ keys: readonly CheckedKey[]; needs: 'nothing' | 'proof' | 'no-proof' }> {
    const present = (await this.store.keysOf([userId], userId)).get(userId)!;
    const keys = (['master', 'self_signing', 'user_signing'] as const).flatMap((usage) => {
      const key = upload[usage];
      return key ? [{ usage, key, publicKey: checkedKey(userId, usage, key, present) }] : [];
    });
    const given = keys.find(({ usage }) => usage === 'master');
    const master = given?.publicKey ?? publicKeyOf(present.master, userId, 'master');
    if (keys.length === 0 || master === undefined) throw MatrixError.missingParam('There is no master key');
    const pinned = given ? await this.identities.pinnedMasterKey(userId) : null;
    if (pinned !== null && given!.publicKey !== pinned) {
      throw MatrixError.forbidden('The home record of the account names another master key');
    }
    for (const { usage, key } of keys) {
      if (usage !== 'master' && !verifyJson(key, userId, `ed25519:${master}`, master)) {
        throw new MatrixError(400, 'M_INVALID_SIGNATURE', `${usage}_key is not signed by the master key`);
      }
    }
    const isSame = keys.every(({ usage, publicKey }) => publicKey === publicKeyOf(presentKey(present, usage), userId, usage));
    if (isSame) return { keys, needs: 'nothing' };
    return { keys, needs: present.master ? 'proof' : 'no-proof' };
  }

  /** Stores checked keys. With a new master key the keys that the old one signed are gone. */
  async put(userId: string, keys: readonly CheckedKey[]): Promise<void> {
    await this.deviceLists.crossSigningChanged(userId, async (tx) => {
      const usages = keys.map(({ usage }) => usage);
      const before = (await this.store.crossSigningOf([userId], userId, tx)).get(userId) ?? {};
      const master = keys.find(({ usage }) => usage === 'master')?.publicKey;
      if (master !== undefined && master !== publicKeyOf(before.master, userId, 'master')) {
        const gone = (['self_signing', 'user_signing'] as const).filter((usage) => !usages.includes(usage) && presentKey(before, usage));
        await this.store.deleteCrossSigningExcept(tx, userId, usages);
        await this.ops.record(tx, userId, gone.map((usage) => ({ kind: 'cross_signing', key: usage, value: null })));
      }
      for (const { usage, publicKey, key } of keys) await this.store.putCrossSigning(tx, userId, usage, publicKey, key);
      await this.ops.record(tx, userId, keys.map(({ usage, key }) => ({ kind: 'cross_signing', key: usage, value: JSON.stringify(key) })));
    });
  }
}

function checkedKey(userId: string, usage: CrossSigningUsage, key: JsonObject, present: UserKeys): string {
  const publicKey = publicKeyOf(key, userId, usage);
  if (publicKey === undefined) throw MatrixError.invalidParam(`${usage}_key is not a ${usage} key of this account`);
  // Signatures name their target by either, so one must not pass for the other.
  if (Object.hasOwn(present.devices, publicKey)) throw MatrixError.forbidden('The key is named like a device');
  boundedJson(key, MAX_KEY_OBJECT_BYTES, `${usage}_key`);
  return publicKey;
}

function presentKey(keys: Omit<UserKeys, 'devices'>, usage: CrossSigningUsage): JsonObject | undefined {
  if (usage === 'master') return keys.master;
  return usage === 'self_signing' ? keys.selfSigning : keys.userSigning;
}
