import { isJsonObject, jsonMember, type JsonObject, type JsonValue } from '#federation';

export type CrossSigningUsage = 'master' | 'self_signing' | 'user_signing';

/** Bytes of one key object of a device or a user. */
export const MAX_KEY_OBJECT_BYTES = 64 * 1024;

/** All public keys of a user, as one viewer sees them. */
export interface UserKeys {
  /** Key objects by device id, with signatures and `unsigned.device_display_name`. */
  readonly devices: Readonly<Record<string, JsonObject>>;
  readonly master?: JsonObject;
  readonly selfSigning?: JsonObject;
  /** For the user's own eyes. */
  readonly userSigning?: JsonObject;
}

/** The one public key of a cross-signing key object whose shape is right; undefined otherwise. */
export function publicKeyOf(key: unknown, userId: string, usage: CrossSigningUsage): string | undefined {
  if (!isJsonObject(key as JsonValue)) return undefined;
  const { user_id, usage: usages, keys } = key as JsonObject;
  if (user_id !== userId || !Array.isArray(usages) || !usages.includes(usage) || !isJsonObject(keys)) return undefined;
  const entries = Object.entries(keys);
  const [name, publicKey] = entries[0] ?? [];
  if (entries.length !== 1 || typeof publicKey !== 'string' || name !== `ed25519:${publicKey}`) return undefined;
  return publicKey.length <= 255 && !publicKey.includes('\0') ? publicKey : undefined;
}

/** The Ed25519 key of a device's key object; undefined when it has none. */
export function deviceSigningKey(device: JsonObject, deviceId: string): string | undefined {
  const key = jsonMember(device['keys'], `ed25519:${deviceId}`);
  return typeof key === 'string' ? key : undefined;
}

/** Whether a device's key object says whose it is, as it must. */
export function isDeviceKeysOf(device: unknown, userId: string, deviceId: string): device is JsonObject {
  if (!isJsonObject(device as JsonValue)) return false;
  const { user_id, device_id, keys } = device as JsonObject;
  return user_id === userId && device_id === deviceId && isJsonObject(keys);
}

/** A copy of the key object with signatures added to those that it has. */
export function withAddedSignatures(
  key: JsonObject, added: readonly { readonly signerId: string; readonly signerKey: string; readonly signature: string }[],
): JsonObject {
  if (added.length === 0) return key;
  const signatures: Record<string, JsonObject> = {};
  for (const [signer, list] of Object.entries(isJsonObject(key['signatures']) ? key['signatures'] : {})) {
    if (isJsonObject(list)) signatures[signer] = { ...list };
  }
  for (const { signerId, signerKey, signature } of added) (signatures[signerId] ??= {})[signerKey] = signature;
  return { ...key, signatures };
}

/** A copy without `unsigned`, which is no part of a key. */
export function withoutUnsigned({ unsigned: _unsigned, ...key }: JsonObject): JsonObject {
  return key;
}

/** A device's key object with the name that others see. */
export function withDisplayName(device: JsonObject, displayName: string | null): JsonObject {
  return { ...device, unsigned: displayName === null ? {} : { device_display_name: displayName } };
}
