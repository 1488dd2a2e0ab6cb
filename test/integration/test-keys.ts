import { randomBytes } from 'node:crypto';
import { type JsonObject, signingKeyFromSeed, signJson, unpaddedBase64 } from '#federation';
import type { Json, TestClient } from '../network/test-client.js';

/** The keys of one device, made and signed as a client does. */
export class TestDeviceKeys {
  readonly #key;
  readonly keys: JsonObject;

  constructor(readonly userId: string, readonly deviceId: string) {
    this.#key = signingKeyFromSeed(`ed25519:${deviceId}`, randomBytes(32));
    this.keys = this.sign({
      user_id: userId,
      device_id: deviceId,
      algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'],
      keys: { [`curve25519:${deviceId}`]: unpaddedBase64(randomBytes(32)), [`ed25519:${deviceId}`]: this.#key.publicKey },
    });
  }

  /** Makes and uploads the keys of a client's device. */
  static async upload(client: TestClient, oneTimeKeys = 0): Promise<TestDeviceKeys> {
    const device = new TestDeviceKeys(client.userId, client.deviceId);
    await client.request('POST', '/v3/keys/upload', { device_keys: device.keys, one_time_keys: device.oneTimeKeys(oneTimeKeys) });
    return device;
  }

  sign(object: JsonObject): JsonObject {
    return signJson(object, this.userId, this.#key);
  }

  oneTimeKeys(count: number, prefix = 'k'): Record<string, JsonObject> {
    const names = Array.from({ length: count }, (_, i) => `signed_curve25519:${prefix}${i}`);
    return Object.fromEntries(names.map((name) => [name, this.sign({ key: unpaddedBase64(randomBytes(32)) })]));
  }
}

/** Cross-signing keys of one account. */
export class TestCrossSigning {
  readonly #master = crossSigningKey();
  readonly #selfSigning = crossSigningKey();
  readonly #userSigning = crossSigningKey();

  constructor(readonly userId: string) {}

  get masterPublicKey(): string {
    return this.#master.publicKey;
  }

  get selfSigningKeyId(): string {
    return this.#selfSigning.keyId;
  }

  get userSigningKeyId(): string {
    return this.#userSigning.keyId;
  }

  /** The body of `/keys/device_signing/upload`. */
  body(): { master_key: JsonObject; self_signing_key: JsonObject; user_signing_key: JsonObject } {
    const object = (usage: string, { keyId, publicKey }: { keyId: string; publicKey: string }): JsonObject => ({
      user_id: this.userId, usage: [usage], keys: { [keyId]: publicKey },
    });
    return {
      master_key: object('master', this.#master),
      self_signing_key: signJson(object('self_signing', this.#selfSigning), this.userId, this.#master),
      user_signing_key: signJson(object('user_signing', this.#userSigning), this.userId, this.#master),
    };
  }

  /** A copy of a device's key object signed by the self-signing key. */
  signDevice(keys: JsonObject): JsonObject {
    return signJson(keys, this.userId, this.#selfSigning);
  }

  /** A copy of another user's master key signed by the user-signing key. */
  signUser(master: JsonObject): JsonObject {
    return signJson(master, this.userId, this.#userSigning);
  }
}

function crossSigningKey() {
  const seed = randomBytes(32);
  // A cross-signing key's id is the key itself.
  const { publicKey } = signingKeyFromSeed('ed25519:x', seed);
  return signingKeyFromSeed(`ed25519:${publicKey}`, seed);
}

/** One `/sync` that does not wait. */
export function sync(client: TestClient, since?: string, timeout = 0): Promise<Json> {
  return client.request('GET', '/v3/sync', undefined, { query: { since, timeout } });
}
