import { Injectable } from '@nestjs/common';
import type { JsonObject } from '#federation';
import { parseStoredJson } from '#json';
import { Database, type Queryable, statement } from '../../storage/database.js';
import { type CrossSigningUsage, publicKeyOf, type UserKeys, withAddedSignatures, withDisplayName } from './key-object.js';

/** A signature that an account on this server uploaded. */
export interface KeySignature {
  readonly signerId: string;
  readonly signerKey: string;
  readonly targetUserId: string;
  /** Device id, or public key of a master key. */
  readonly targetKey: string;
  readonly signature: string;
}

interface DeviceRow {
  user_id: string;
  device_id: string;
  json: string;
  display_name: string | null;
}

interface SignatureRow {
  signer_id: string;
  signer_key: string;
  target_user_id: string;
  target_key: string;
  signature: string;
}

// Joined, so that keys that outlived their device by a crash are not seen.
const devicesOf = statement(
  'device_key.of_users',
  `SELECT k.user_id, k.device_id, k.json, d.display_name FROM device_keys k JOIN devices d USING (user_id, device_id)
   WHERE k.user_id = ANY($1) ORDER BY k.device_id`,
);
const deviceJson = statement('device_key.get', 'SELECT json FROM device_keys WHERE user_id = $1 AND device_id = $2');
const upsertDevice = statement(
  'device_key.upsert',
  `INSERT INTO device_keys (user_id, device_id, json) VALUES ($1, $2, $3)
   ON CONFLICT (user_id, device_id) DO UPDATE SET json = excluded.json`,
);
const deleteDevice = statement('device_key.delete', 'DELETE FROM device_keys WHERE user_id = $1 AND device_id = $2 RETURNING 1');
const orphans = statement(
  'device_key.orphans',
  `SELECT user_id, device_id FROM device_keys k
   WHERE NOT EXISTS (SELECT 1 FROM devices d WHERE d.user_id = k.user_id AND d.device_id = k.device_id)`,
);
const crossSigningOf = statement(
  'cross_signing.of_users',
  'SELECT user_id, usage, public_key, json FROM cross_signing_keys WHERE user_id = ANY($1)',
);
const upsertCrossSigning = statement(
  'cross_signing.upsert',
  `INSERT INTO cross_signing_keys (user_id, usage, public_key, json) VALUES ($1, $2, $3, $4)
   ON CONFLICT (user_id, usage) DO UPDATE SET public_key = excluded.public_key, json = excluded.json`,
);
const deleteCrossSigning = statement('cross_signing.delete', 'DELETE FROM cross_signing_keys WHERE user_id = $1 AND usage <> ALL($2)');
const signaturesOf = statement(
  'key_signature.of_targets',
  `SELECT signer_id, signer_key, target_user_id, target_key, signature FROM key_signatures
   WHERE target_user_id = ANY($1) AND (signer_id = target_user_id OR signer_id = $2)`,
);
const signaturesBy = statement(
  'key_signature.by_signer',
  `SELECT signer_id, signer_key, target_user_id, target_key, signature FROM key_signatures WHERE signer_id = $1`,
);
const upsertSignature = statement(
  'key_signature.upsert',
  `INSERT INTO key_signatures (signer_id, signer_key, target_user_id, target_key, signature) VALUES ($1, $2, $3, $4, $5)
   ON CONFLICT (target_user_id, signer_id, target_key, signer_key) DO UPDATE SET signature = excluded.signature`,
);
const deleteSignature = statement(
  'key_signature.delete',
  `DELETE FROM key_signatures WHERE signer_id = $1 AND signer_key = $2 AND target_user_id = $3 AND target_key = $4`,
);
const deleteSignaturesOfDevice = statement(
  'key_signature.delete_of_device',
  `DELETE FROM key_signatures WHERE target_user_id = $1 AND signer_id = $1 AND (target_key = $2 OR signer_key = 'ed25519:' || $2)`,
);

/** The tables `device_keys`, `cross_signing_keys` and `key_signatures`. */
@Injectable()
export class DeviceKeyStore {
  constructor(private readonly db: Database) {}

  /**
   * Keys of accounts on this server. Signatures are those of the owner and of the viewer; the key that signs other users is
   * for its owner only.
   *
   * @param viewer the account that asks; null for other servers
   */
  async keysOf(userIds: readonly string[], viewer: string | null, db: Queryable = this.db): Promise<Map<string, UserKeys>> {
    // One after the other: a transaction has one connection.
    const deviceRows = await db.query<DeviceRow>(devicesOf, [userIds]);
    const crossSigning = await this.crossSigningOf(userIds, viewer, db);
    const signatures = await this.#signaturesByTarget(userIds, viewer, db);
    const users = new Map<string, { devices: Record<string, JsonObject> } & UserKeys>();
    for (const userId of userIds) users.set(userId, { ...crossSigning.get(userId), devices: {} });
    for (const { user_id, device_id, json, display_name } of deviceRows) {
      const device = withAddedSignatures(parseStoredJson(json) as JsonObject, signatures.get(`${user_id}\0${device_id}`) ?? []);
      users.get(user_id)!.devices[device_id] = withDisplayName(device, display_name);
    }
    return users;
  }

  /** Cross-signing keys, of users of any server as far as they are known here, with the signatures of owner and viewer. */
  async crossSigningOf(
    userIds: readonly string[], viewer: string | null, db: Queryable = this.db,
  ): Promise<Map<string, Omit<UserKeys, 'devices'>>> {
    const rows = await db.query<{ user_id: string; usage: CrossSigningUsage; public_key: string; json: string }>(crossSigningOf, [userIds]);
    const signatures = await this.#signaturesByTarget(userIds, viewer, db);
    const users = new Map<string, { master?: JsonObject; selfSigning?: JsonObject; userSigning?: JsonObject }>();
    for (const { user_id, usage, public_key, json } of rows) {
      const keys = users.get(user_id) ?? {};
      users.set(user_id, keys);
      const key = parseStoredJson(json) as JsonObject;
      if (usage === 'master') keys.master = withAddedSignatures(key, signatures.get(`${user_id}\0${public_key}`) ?? []);
      else if (usage === 'self_signing') keys.selfSigning = key;
      else if (user_id === viewer) keys.userSigning = key;
    }
    return users;
  }

  /** Adds a viewer's signatures to the master keys of users whose keys have just been fetched. */
  async withSignatures(users: readonly (readonly [string, UserKeys])[], viewer: string): Promise<[string, UserKeys][]> {
    if (users.length === 0) return [];
    const signatures = await this.#signaturesByTarget(users.map(([userId]) => userId), viewer, this.db);
    return users.map(([userId, keys]) => {
      const publicKey = publicKeyOf(keys.master, userId, 'master');
      const added = publicKey === undefined ? [] : (signatures.get(`${userId}\0${publicKey}`) ?? []);
      return [userId, keys.master && added.length > 0 ? { ...keys, master: withAddedSignatures(keys.master, added) } : keys];
    });
  }

  /** The signatures that a viewer has made on keys of other users: by `user id NUL key`. */
  async #signaturesByTarget(userIds: readonly string[], viewer: string | null, db: Queryable): Promise<Map<string, KeySignature[]>> {
    const rows = await db.query<SignatureRow>(signaturesOf, [userIds, viewer ?? '']);
    const byTarget = new Map<string, KeySignature[]>();
    for (const row of rows) {
      const key = `${row.target_user_id}\0${row.target_key}`;
      const list = byTarget.get(key);
      if (list) list.push(toSignature(row));
      else byTarget.set(key, [toSignature(row)]);
    }
    return byTarget;
  }

  /** The stored text of a device's keys, as uploaded. */
  async device(db: Queryable, userId: string, deviceId: string): Promise<string | undefined> {
    return (await db.query<{ json: string }>(deviceJson, [userId, deviceId]))[0]?.json;
  }

  /** The stored texts of all devices' keys of an account, by device id. */
  async deviceTexts(userId: string): Promise<[string, string][]> {
    return (await this.db.query<DeviceRow>(devicesOf, [[userId]])).map((row) => [row.device_id, row.json]);
  }

  async putDevice(db: Queryable, userId: string, deviceId: string, json: string): Promise<void> {
    await db.write(upsertDevice, [userId, deviceId, json]);
  }

  /** Deletes a device's keys with the signatures on them and by them. @returns false when there were none */
  async deleteDevice(db: Queryable, userId: string, deviceId: string): Promise<boolean> {
    await this.deleteSignaturesOfDevice(db, userId, deviceId);
    return (await db.query(deleteDevice, [userId, deviceId])).length > 0;
  }

  async deleteSignaturesOfDevice(db: Queryable, userId: string, deviceId: string): Promise<void> {
    await db.write(deleteSignaturesOfDevice, [userId, deviceId]);
  }

  /** Devices that were deleted without their keys: the server was killed in between. */
  async orphans(): Promise<{ userId: string; deviceId: string }[]> {
    const rows = await this.db.query<{ user_id: string; device_id: string }>(orphans);
    return rows.map((row) => ({ userId: row.user_id, deviceId: row.device_id }));
  }

  async putCrossSigning(db: Queryable, userId: string, usage: CrossSigningUsage, publicKey: string, key: JsonObject): Promise<void> {
    await db.write(upsertCrossSigning, [userId, usage, publicKey, JSON.stringify(key)]);
  }

  async deleteCrossSigningExcept(db: Queryable, userId: string, usages: readonly CrossSigningUsage[]): Promise<void> {
    await db.write(deleteCrossSigning, [userId, usages]);
  }

  async putSignature(db: Queryable, { signerId, signerKey, targetUserId, targetKey, signature }: KeySignature): Promise<void> {
    await db.write(upsertSignature, [signerId, signerKey, targetUserId, targetKey, signature]);
  }

  async deleteSignature(db: Queryable, { signerId, signerKey, targetUserId, targetKey }: Omit<KeySignature, 'signature'>): Promise<void> {
    await db.write(deleteSignature, [signerId, signerKey, targetUserId, targetKey]);
  }

  async signaturesBy(signerId: string): Promise<KeySignature[]> {
    return (await this.db.query<SignatureRow>(signaturesBy, [signerId])).map(toSignature);
  }
}

function toSignature(row: SignatureRow): KeySignature {
  return {
    signerId: row.signer_id, signerKey: row.signer_key, targetUserId: row.target_user_id, targetKey: row.target_key,
    signature: row.signature,
  };
}
