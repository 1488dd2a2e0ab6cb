import { Injectable } from '@nestjs/common';
import { CanonicalJsonError, isJsonObject, type JsonObject, type JsonValue, jsonMember, signedBytes, verifySignature } from '#federation';
import { AccountOps } from '../../accounts/account-ops.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { DeviceLists } from '../device-lists/device-lists.js';
import { DeviceKeyStore, type KeySignature } from './device-key.store.js';
import { deviceSigningKey, publicKeyOf, type UserKeys } from './key-object.js';
import { KeyQuery } from './key-query.js';

const QUERY_TIMEOUT_MS = 10_000;

/** User id → key (device id, or public key of a master key) → the signed key object. */
export type SignatureUploads = Readonly<Record<string, Readonly<Record<string, unknown>>>>;
export type SignatureFailures = Record<string, Record<string, object>>;

/** `POST /keys/signatures/upload`. */
@Injectable()
export class SignatureUpload {
  constructor(
    private readonly query: KeyQuery,
    private readonly store: DeviceKeyStore,
    private readonly deviceLists: DeviceLists,
    private readonly ops: AccountOps,
  ) {}

  /** Stores the signatures that are good; the others are in the answer with their errors. */
  async upload(signerId: string, uploads: SignatureUploads): Promise<SignatureFailures> {
    const { users } = await this.query.keysOf([...new Set([signerId, ...Object.keys(uploads)])], signerId, QUERY_TIMEOUT_MS);
    const signer = users.get(signerId)!;
    const failures: SignatureFailures = {};
    for (const [userId, keys] of Object.entries(uploads)) {
      for (const [target, signed] of Object.entries(keys)) {
        try {
          const signatures = checkedSignatures(signerId, signer, userId, users.get(userId), target, signed as JsonValue);
          await this.#put(signerId, userId, target, signatures, Object.hasOwn(signer.devices, target));
        } catch (error) {
          if (!(error instanceof MatrixError)) throw error;
          (failures[userId] ??= {})[target] = error.toBody();
        }
      }
    }
    return failures;
  }

  async #put(signerId: string, userId: string, target: string, signatures: readonly KeySignature[], isDevice: boolean): Promise<void> {
    const store = async (tx: Parameters<AccountOps['record']>[0]): Promise<void> => {
      for (const signature of signatures) await this.store.putSignature(tx, signature);
      await this.ops.record(tx, signerId, signatures.map(signatureOp));
    };
    if (signatures.length === 0) return;
    if (userId !== signerId) await this.deviceLists.signatureChanged(signerId, userId, store);
    else if (isDevice) await this.deviceLists.deviceChanged(signerId, target, store);
    else await this.deviceLists.crossSigningChanged(signerId, store);
  }
}

/** The operation that tells other homes of a signature. */
export function signatureOp({ targetUserId, targetKey, signerKey, signature }: KeySignature) {
  return { kind: 'signature' as const, key: JSON.stringify([targetUserId, targetKey, signerKey]), value: signature };
}

/**
 * The signer's signatures on one key. An account signs its devices with its self-signing key, its master key with its devices,
 * and the master keys of others with its user-signing key.
 *
 * @throws MatrixError 400 M_INVALID_SIGNATURE or M_INVALID_PARAM; 404 M_NOT_FOUND
 */
function checkedSignatures(
  signerId: string, signer: UserKeys, userId: string, keys: UserKeys | undefined, target: string, signed: JsonValue,
): KeySignature[] {
  if (!isJsonObject(signed)) throw MatrixError.invalidParam('Not a signed object');
  const master = publicKeyOf(keys?.master, userId, 'master');
  const isOwnDevice = userId === signerId && Object.hasOwn(signer.devices, target);
  const stored = isOwnDevice ? signer.devices[target] : target === master ? keys?.master : undefined;
  if (!stored) throw MatrixError.notFound('There is no such key');
  const message = signedText(signed);
  if (message !== signedText(stored)) throw MatrixError.invalidParam('The signed object is not the key that is known here');
  const given = jsonMember(signed['signatures'], signerId);
  const presentSignatures = jsonMember(stored['signatures'], signerId);
  // Clients send along the signatures that the key already had.
  const fresh = Object.entries(isJsonObject(given) ? given : {}).filter(([name, value]) => jsonMember(presentSignatures, name) !== value);
  if (fresh.length === 0 && !isJsonObject(given)) throw invalidSignature('There is no signature by you');
  return fresh.map(([signerKey, signature]) => {
    const publicKey = isOwnDevice
      ? named(signerKey, publicKeyOf(signer.selfSigning, signerId, 'self_signing'))
      : userId === signerId
        ? deviceKeyNamed(signer, signerKey)
        : named(signerKey, publicKeyOf(signer.userSigning, signerId, 'user_signing'));
    if (publicKey === undefined) throw invalidSignature(`Unknown signing key ${signerKey.slice(0, 100)}`);
    if (typeof signature !== 'string' || !verifySignature(publicKey, message, signature)) throw invalidSignature('Invalid signature');
    return { signerId, signerKey, targetUserId: userId, targetKey: target, signature };
  });
}

function named(signerKey: string, publicKey: string | undefined): string | undefined {
  return publicKey !== undefined && signerKey === `ed25519:${publicKey}` ? publicKey : undefined;
}

function deviceKeyNamed(signer: UserKeys, signerKey: string): string | undefined {
  const deviceId = signerKey.slice('ed25519:'.length);
  const device = signerKey.startsWith('ed25519:') && Object.hasOwn(signer.devices, deviceId) ? signer.devices[deviceId] : undefined;
  return device && deviceSigningKey(device, deviceId);
}

function signedText(key: JsonObject): string {
  try {
    return signedBytes(key);
  } catch (error) {
    if (error instanceof CanonicalJsonError) throw MatrixError.invalidParam(error.message);
    throw error;
  }
}

function invalidSignature(message: string): MatrixError {
  return new MatrixError(400, 'M_INVALID_SIGNATURE', message);
}
