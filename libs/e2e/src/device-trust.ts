import { verifySigned } from './signed-object.js';
import type { SignedObject } from './signed-object.js';

/** Identity keys of a device, as in `/keys/query`. */
export interface DeviceKeys extends SignedObject {
  user_id: string;
  device_id: string;
  algorithms: string[];
  keys: Record<string, string>;
}

/** A cross-signing key, as in `/keys/query`. */
export interface CrossSigningKey extends SignedObject {
  user_id: string;
  usage: string[];
  keys: Record<string, string>;
}

export type DeviceTrust =
  /** Signed by the self-signing key, which is signed by the pinned master key. */
  | 'cross-signed'
  /** Consistent and signed by itself, but nobody vouches for it. */
  | 'self-signed'
  /** Wrong names or a wrong self-signature: never encrypt to it. */
  | 'invalid';

export interface DeviceTrustInput {
  userId: string;
  deviceId: string;
  device: DeviceKeys;
  master?: CrossSigningKey;
  selfSigning?: CrossSigningKey;
  /** `master_key` of the account's home record: a server cannot swap the master key behind it. Null if there is none. */
  pinnedMasterKey?: string | null;
}

/**
 * How far a device of a user can be trusted, from what a server says about it.
 * Source: Client-Server API, "Key and signature security" and "Cross-signing"; the pin is protocol §2.
 */
export function deviceTrust(input: DeviceTrustInput): DeviceTrust {
  if (!verifyDeviceKeys(input.device, input.userId, input.deviceId)) return 'invalid';
  const { master, selfSigning } = input;
  if (!master || !selfSigning) return 'self-signed';
  const masterKey = crossSigningKey(master, input.userId, 'master');
  const selfSigningKey = crossSigningKey(selfSigning, input.userId, 'self_signing');
  if (!masterKey || !selfSigningKey) return 'self-signed';
  if (input.pinnedMasterKey && masterKey.key !== unpadded(input.pinnedMasterKey)) return 'self-signed';
  if (!verifySigned(selfSigning, input.userId, masterKey.keyId, masterKey.key)) return 'self-signed';
  if (!verifySigned(input.device, input.userId, selfSigningKey.keyId, selfSigningKey.key)) return 'self-signed';
  return 'cross-signed';
}

/** Whether device keys name this user and device and are signed by the device's own Ed25519 key. */
export function verifyDeviceKeys(device: DeviceKeys, userId: string, deviceId: string): boolean {
  if (device.user_id !== userId || device.device_id !== deviceId) return false;
  const keyId = `ed25519:${deviceId}`;
  const key: unknown = device.keys?.[keyId];
  return typeof key === 'string' && verifySigned(device, userId, keyId, key);
}

/**
 * The one key of a cross-signing object, or undefined if the object is not this user's key for this use. A cross-signing
 * key is called after itself; another name would let a signature by one key pass as one by another.
 */
function crossSigningKey(object: CrossSigningKey, userId: string, usage: string): { keyId: string; key: string } | undefined {
  if (object.user_id !== userId || !Array.isArray(object.usage) || !object.usage.includes(usage)) return undefined;
  const entries = Object.entries(object.keys ?? {});
  const [keyId, key] = entries[0] ?? [];
  if (entries.length !== 1 || typeof keyId !== 'string' || typeof key !== 'string') return undefined;
  return keyId === `ed25519:${key}` ? { keyId, key } : undefined;
}

function unpadded(key: string): string {
  return key.replace(/=+$/, '');
}
