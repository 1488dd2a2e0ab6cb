import { isServerName, verifyJson, type JsonObject } from '#federation';

/** A key as its server published it. */
export interface PublishedKey {
  readonly keyId: string;
  /** Base64. */
  readonly publicKey: string;
  /** Set for `old_verify_keys`: when the server stopped using it. */
  readonly expiredTs: number | null;
}

export interface KeyResponse {
  readonly keys: readonly PublishedKey[];
  /** Milliseconds; as published, not capped. */
  readonly validUntilTs: number;
}

const MAX_KEYS = 100;
const KEY_ID = /^ed25519:[A-Za-z0-9_]{1,128}$/;

/**
 * Reads and checks a server's key object: it must be about that server and signed by one of the keys in it that are in use.
 * Undefined when it is not. Keys of other algorithms are left out.
 */
export function readKeyResponse(value: unknown, serverName: string): KeyResponse | undefined {
  if (!isServerName(serverName) || !isObject(value) || value['server_name'] !== serverName) return undefined;
  const { verify_keys: current, old_verify_keys: old, valid_until_ts: validUntilTs } = value;
  if (!isObject(current) || !Number.isSafeInteger(validUntilTs)) return undefined;
  const keys: PublishedKey[] = [];
  for (const [keyId, entry] of Object.entries(current).slice(0, MAX_KEYS)) {
    const publicKey = publicKeyOf(keyId, entry);
    if (publicKey !== undefined) keys.push({ keyId, publicKey, expiredTs: null });
  }
  const isSigned = keys.some(({ keyId, publicKey }) => verifyJson(value as JsonObject, serverName, keyId, publicKey));
  if (!isSigned) return undefined;
  for (const [keyId, entry] of Object.entries(isObject(old) ? old : {}).slice(0, MAX_KEYS)) {
    const publicKey = publicKeyOf(keyId, entry);
    const expiredTs = isObject(entry) ? entry['expired_ts'] : undefined;
    if (publicKey === undefined || !Number.isSafeInteger(expiredTs) || Object.hasOwn(current, keyId)) continue;
    keys.push({ keyId, publicKey, expiredTs: expiredTs as number });
  }
  return { keys, validUntilTs: validUntilTs as number };
}

function publicKeyOf(keyId: string, entry: unknown): string | undefined {
  const key = isObject(entry) ? entry['key'] : undefined;
  return KEY_ID.test(keyId) && typeof key === 'string' && key.length <= 64 ? key : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
