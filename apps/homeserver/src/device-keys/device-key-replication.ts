import { Injectable, type OnModuleInit } from '@nestjs/common';
import { isJsonObject, type JsonObject, type JsonValue } from '#federation';
import { nestsDeeperThan, parseStoredJson, wellFormedJson } from '#json';
import { type AccountChange, AccountOps, type RemoteChange } from '../accounts/account-ops.js';
import type { Transaction } from '../storage/database.js';
import { DeviceLists } from './device-lists/device-lists.js';
import { DeviceKeyStore } from './keys/device-key.store.js';
import { type CrossSigningUsage, isDeviceKeysOf, publicKeyOf } from './keys/key-object.js';
import { signatureOp } from './keys/signature-upload.js';
import { OneTimeKeyStore } from './one-time-keys/one-time-key.store.js';
import { fallbackKeyOp, OneTimeKeys } from './one-time-keys/one-time-keys.js';
import { messageOp, ToDeviceInbox } from './to-device/to-device-inbox.js';
import { ToDeviceStore } from './to-device/to-device.store.js';

/** Levels of lists and objects: as of what clients send. */
const MAX_DEPTH = 100;
const usages: readonly string[] = ['master', 'self_signing', 'user_signing'];

/** Keys and messages of devices between the homes of an account (protocol §4). One-time keys stay where they were uploaded. */
@Injectable()
export class DeviceKeyReplication implements OnModuleInit {
  constructor(
    private readonly ops: AccountOps,
    private readonly keys: DeviceKeyStore,
    private readonly deviceLists: DeviceLists,
    private readonly oneTimeKeyStore: OneTimeKeyStore,
    private readonly oneTimeKeys: OneTimeKeys,
    private readonly inbox: ToDeviceInbox,
    private readonly inboxStore: ToDeviceStore,
  ) {}

  onModuleInit(): void {
    this.ops.register('device_keys', {
      merge: 'last-writer',
      apply: (change) => this.#applyDeviceKeys(change),
      snapshot: async (userId) => (await this.keys.deviceTexts(userId)).map(([key, value]) => ({ kind: 'device_keys', key, value })),
    });
    this.ops.register('cross_signing', {
      merge: 'last-writer',
      apply: (change) => this.#applyCrossSigning(change),
      snapshot: async (userId) => {
        const { master, selfSigning, userSigning } = (await this.keys.keysOf([userId], userId)).get(userId)!;
        const all = Object.entries({ master, self_signing: selfSigning, user_signing: userSigning });
        return all.flatMap(([key, value]): AccountChange[] =>
          value ? [{ kind: 'cross_signing', key, value: JSON.stringify(value) }] : [],
        );
      },
    });
    this.ops.register('signature', {
      merge: 'last-writer',
      apply: (change) => this.#applySignature(change),
      snapshot: async (userId) => (await this.keys.signaturesBy(userId)).map(signatureOp),
    });
    this.ops.register('fallback_key', {
      merge: 'last-writer',
      apply: (change) => this.#applyFallbackKey(change),
      snapshot: async (userId) => (await this.oneTimeKeyStore.fallbackOf(userId)).map((key) => fallbackKeyOp(key.deviceId, key)),
    });
    this.ops.register('to_device', {
      merge: 'own',
      apply: (change) => this.#applyMessage(change),
      snapshot: async (userId) => (await this.inboxStore.ofUser(userId)).map(messageOp),
    });
    this.ops.register('to_device_consumed', {
      merge: 'own',
      apply: (change) => this.#applyConsumed(change),
      // A new home starts from the messages that still wait.
      snapshot: () => Promise.resolve([]),
    });
  }

  async #applyDeviceKeys({ userId, key: deviceId, value }: RemoteChange): Promise<void> {
    const keys = objectOf(value);
    await this.deviceLists.deviceChanged(userId, deviceId, async (tx) => {
      if (!keys) await this.keys.deleteDevice(tx, userId, deviceId);
      else if (isDeviceKeysOf(keys, userId, deviceId)) await this.keys.putDevice(tx, userId, deviceId, wellFormedJson(value as string));
    });
  }

  async #applyCrossSigning({ userId, key: usage, value }: RemoteChange): Promise<void> {
    if (!isUsage(usage)) return;
    const key = objectOf(value);
    const publicKey = publicKeyOf(key, userId, usage);
    await this.deviceLists.crossSigningChanged(userId, async (tx) => {
      if (!key) await this.keys.deleteCrossSigningExcept(tx, userId, usages.filter((other) => other !== usage) as CrossSigningUsage[]);
      else if (publicKey !== undefined) await this.keys.putCrossSigning(tx, userId, usage, publicKey, key);
    });
  }

  async #applySignature({ userId: signerId, key, value: signature }: RemoteChange): Promise<void> {
    const [targetUserId, targetKey, signerKey] = threeTexts(key);
    if (targetUserId === undefined || targetKey === undefined || signerKey === undefined) return;
    const name = { signerId, signerKey, targetUserId, targetKey };
    const store = async (tx: Transaction): Promise<void> => {
      if (typeof signature === 'string') await this.keys.putSignature(tx, { ...name, signature });
      else await this.keys.deleteSignature(tx, name);
    };
    if (targetUserId !== signerId) await this.deviceLists.signatureChanged(signerId, targetUserId, store);
    else if (Object.hasOwn((await this.keys.keysOf([signerId], null)).get(signerId)!.devices, targetKey)) {
      await this.deviceLists.deviceChanged(signerId, targetKey, store);
    } else await this.deviceLists.crossSigningChanged(signerId, store);
  }

  async #applyFallbackKey({ userId, key, value }: RemoteChange): Promise<void> {
    const [deviceId, algorithm] = threeTexts(key);
    if (deviceId === undefined || algorithm === undefined) return;
    const { key_id: keyId, json } = (value ?? {}) as { key_id?: unknown; json?: unknown };
    await this.oneTimeKeyStore.replaceFallback(
      userId, deviceId, algorithm, typeof keyId === 'string' && typeof json === 'string' && isKey(json) ? { algorithm, keyId, json: wellFormedJson(json) } : null,
    );
    this.oneTimeKeys.changed(userId, deviceId);
  }

  async #applyMessage({ userId, key, value: json }: RemoteChange): Promise<void> {
    const [sender, messageId, deviceId] = threeTexts(key);
    if (sender === undefined || messageId === undefined || deviceId === undefined || !objectOf(json)) return;
    await this.inbox.put([{ userId, deviceId, sender, messageId, json: wellFormedJson(json as string) }], { isReplica: true });
  }

  async #applyConsumed({ userId, key }: RemoteChange): Promise<void> {
    const [sender, messageId, deviceId] = threeTexts(key);
    if (sender === undefined || messageId === undefined || deviceId === undefined) return;
    await this.inbox.consumed({ userId, deviceId, sender, messageId });
  }
}

function isUsage(text: string): text is CrossSigningUsage {
  return usages.includes(text);
}

/** Whether JSON text is a key: an object, or the text of one without signatures. */
function isKey(json: string): boolean {
  try {
    const parsed = parseStoredJson(json);
    return typeof parsed === 'string' || objectOf(json) !== undefined;
  } catch {
    return false;
  }
}

/** JSON text of an object, as another home sent it; undefined for anything else. */
function objectOf(value: unknown): JsonObject | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    const parsed = parseStoredJson(value) as JsonValue;
    return isJsonObject(parsed) && !nestsDeeperThan(parsed, MAX_DEPTH) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function threeTexts(key: string): (string | undefined)[] {
  try {
    const parts: unknown = parseStoredJson(key);
    return Array.isArray(parts) ? parts.map((part: unknown) => (typeof part === 'string' ? part : undefined)) : [];
  } catch {
    return [];
  }
}
