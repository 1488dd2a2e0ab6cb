import { Injectable } from '@nestjs/common';
import { canonicalJson, CanonicalJsonError, type JsonObject } from '#federation';
import { AccountOps } from '../../accounts/account-ops.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Database } from '../../storage/database.js';
import { DeviceLists } from '../device-lists/device-lists.js';
import type { SessionKey } from '../one-time-keys/one-time-key.store.js';
import { OneTimeKeys } from '../one-time-keys/one-time-keys.js';
import { DeviceKeyStore } from './device-key.store.js';
import { deviceSigningKey, isDeviceKeysOf, MAX_KEY_OBJECT_BYTES, withoutUnsigned } from './key-object.js';

const MAX_SESSION_KEY_BYTES = 4 * 1024;
const NAME = /^([^:\0]{1,64}):([^\0]{1,255})$/;

/** What a device uploads; keys by name (`algorithm:id`). */
export interface KeyUpload {
  readonly deviceKeys?: JsonObject;
  readonly oneTimeKeys: Readonly<Record<string, unknown>>;
  readonly fallbackKeys: Readonly<Record<string, unknown>>;
}

/** The same, as it is stored. */
export interface CheckedUpload {
  /** Canonical JSON. */
  readonly deviceKeys: string | undefined;
  readonly oneTime: readonly SessionKey[];
  readonly fallback: readonly SessionKey[];
}

/** `POST /keys/upload`. */
@Injectable()
export class DeviceKeyUpload {
  constructor(
    private readonly db: Database,
    private readonly keys: DeviceKeyStore,
    private readonly deviceLists: DeviceLists,
    private readonly oneTimeKeys: OneTimeKeys,
    private readonly ops: AccountOps,
  ) {}

  /** @throws MatrixError 400 M_INVALID_PARAM or M_BAD_JSON; then nothing is stored */
  async upload(userId: string, deviceId: string, upload: KeyUpload): Promise<void> {
    await this.store(userId, deviceId, this.checked(userId, deviceId, upload));
  }

  /** @throws MatrixError 400 M_INVALID_PARAM or M_BAD_JSON */
  checked(userId: string, deviceId: string, { deviceKeys, oneTimeKeys, fallbackKeys }: KeyUpload): CheckedUpload {
    const fallback = Object.entries(fallbackKeys).map(([name, key]) => sessionKey(name, key));
    if (new Set(fallback.map((key) => key.algorithm)).size < fallback.length) {
      throw MatrixError.invalidParam('There can be one fallback key of each algorithm');
    }
    return {
      deviceKeys: deviceKeys && checkedDeviceKeys(userId, deviceId, deviceKeys),
      oneTime: Object.entries(oneTimeKeys).map(([name, key]) => sessionKey(name, key)),
      fallback,
    };
  }

  /** @throws MatrixError 400 M_INVALID_PARAM for one-time keys that are there and are others */
  async store(userId: string, deviceId: string, { deviceKeys, oneTime, fallback }: CheckedUpload): Promise<void> {
    if (deviceKeys !== undefined) await this.#putDeviceKeys(userId, deviceId, deviceKeys);
    await this.oneTimeKeys.upload(userId, deviceId, oneTime, fallback);
  }

  async #putDeviceKeys(userId: string, deviceId: string, json: string): Promise<void> {
    if ((await this.keys.device(this.db, userId, deviceId)) === json) return;
    await this.deviceLists.deviceChanged(userId, deviceId, async (tx) => {
      // They signed other keys.
      await this.keys.deleteSignaturesOfDevice(tx, userId, deviceId);
      await this.keys.putDevice(tx, userId, deviceId, json);
      await this.ops.record(tx, userId, [{ kind: 'device_keys', key: deviceId, value: json }]);
    });
  }
}

/**
 * Checks that a device's key object is of this device. Whether the device signed it is for those who encrypt to it: they
 * cannot take a server's word for it anyway.
 *
 * @returns its canonical JSON
 */
function checkedDeviceKeys(userId: string, deviceId: string, deviceKeys: JsonObject): string {
  if (!isDeviceKeysOf(deviceKeys, userId, deviceId)) {
    throw MatrixError.invalidParam('user_id and device_id of device_keys must be those of the access token');
  }
  const keys = withoutUnsigned(deviceKeys);
  const json = canonicalOf(keys, 'device_keys', MAX_KEY_OBJECT_BYTES);
  if (deviceSigningKey(keys, deviceId) === undefined) throw MatrixError.invalidParam('device_keys has no Ed25519 key of the device');
  return json;
}

function sessionKey(name: string, key: unknown): SessionKey {
  const [, algorithm, keyId] = NAME.exec(name) ?? [];
  if (algorithm === undefined || keyId === undefined) throw MatrixError.invalidParam(`Not the name of a key: ${name.slice(0, 100)}`);
  const text = typeof key === 'object' && key !== null ? (key as { key?: unknown }).key : key;
  if (typeof text !== 'string') throw MatrixError.badJson(`${name} must be a key, or an object with a key`);
  return { algorithm, keyId, json: canonicalOf(key, name, MAX_SESSION_KEY_BYTES) };
}

function canonicalOf(value: unknown, name: string, maxBytes: number): string {
  let json: string;
  try {
    json = canonicalJson(value);
  } catch (error) {
    if (error instanceof CanonicalJsonError) throw MatrixError.badJson(`${name}: ${error.message}`);
    throw error;
  }
  if (Buffer.byteLength(json) > maxBytes) throw MatrixError.tooLarge(`${name} is larger than ${maxBytes} bytes`);
  return json;
}
