import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { canonicalJson, isUserId, type JsonValue } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { AccountServers } from '../../accounts/account-servers.js';
import { Bus, type RoomCommitted } from '../../bus/bus.js';
import { EduHandlers } from '../../federation/edu-handlers.js';
import { Log } from '../../observability/log.js';
import type { Transaction } from '../../storage/database.js';
import { DeviceLists } from './device-lists.js';
import { readCrossSigning, readRemoteDevice } from './read-remote-keys.js';
import { type RemoteDevice, RemoteDeviceListStore, type RemoteList } from './remote-device-list.store.js';
import { RemoteDeviceLists } from './remote-device-lists.js';

interface DeviceUpdate {
  readonly userId: string;
  readonly deviceId: string;
  readonly origin: string;
  readonly streamId: number;
  readonly previous: readonly number[];
  /** Undefined when the device is gone, or has no usable keys. */
  readonly device: RemoteDevice | undefined;
}

/**
 * Keeps the device lists of other servers' users up to date by what their servers send (server-server-api "device
 * management"), and forgets those that nobody here shares a room with.
 */
@Injectable()
export class DeviceListUpdates implements OnModuleInit, OnModuleDestroy {
  #unsubscribe = (): void => undefined;

  constructor(
    private readonly edus: EduHandlers,
    private readonly bus: Bus,
    private readonly directory: AccountDirectory,
    private readonly accountServers: AccountServers,
    private readonly deviceLists: DeviceLists,
    private readonly remoteLists: RemoteDeviceLists,
    private readonly store: RemoteDeviceListStore,
    private readonly log: Log,
  ) {}

  async onModuleInit(): Promise<void> {
    this.edus.register('m.device_list_update', (origin, content) => this.#onDeviceUpdate(origin, content));
    this.edus.register('m.signing_key_update', (origin, content) => this.#onSigningKeyUpdate(origin, content));
    this.#unsubscribe = this.bus.subscribe((message) => {
      if (message.kind === 'room') this.#onRoom(message);
    });
    // What ended while the server was killed.
    await this.store.forgetUnshared();
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  async #onDeviceUpdate(origin: string, content: Record<string, unknown>): Promise<void> {
    const { user_id: userId, device_id: deviceId, stream_id: streamId, prev_id: previous, deleted, keys } = content;
    if (typeof deviceId !== 'string' || deviceId === '' || deviceId.length > 255 || deviceId.includes('\0')) return;
    if (!Number.isSafeInteger(streamId) || !isRemoteUserId(userId) || !(await this.#mayTell(origin, userId))) return;
    const wake = await this.deviceLists.localSharers(userId);
    if (wake.length === 0) return;
    if (await this.accountServers.isUnconfirmed(userId)) return this.#missed(userId, wake);
    // Nobody can write to a device without keys: that there is one is no news to who keeps nothing of the user.
    if (keys === undefined && deleted !== true && !(await this.store.lists([userId])).has(userId)) return;
    const update: DeviceUpdate = {
      userId,
      deviceId,
      origin,
      streamId: streamId as number,
      previous: Array.isArray(previous) ? previous.filter((id): id is number => Number.isSafeInteger(id)) : [],
      device: deleted === true
        ? undefined
        : readRemoteDevice(userId, deviceId, keys as JsonValue, content['device_display_name'] as JsonValue),
    };
    this.remoteLists.updateArrived(userId);
    await this.deviceLists.remoteChanged(userId, wake, (tx) => this.#apply(tx, update));
    // Before its server may be gone, and so that the next update fits.
    this.remoteLists.renew(userId);
  }

  async #onSigningKeyUpdate(origin: string, content: Record<string, unknown>): Promise<void> {
    const { user_id: userId, master_key: master, self_signing_key: selfSigning } = content;
    if (!isRemoteUserId(userId) || !(await this.#mayTell(origin, userId))) return;
    const wake = await this.deviceLists.localSharers(userId);
    if (wake.length === 0) return;
    if (await this.accountServers.isUnconfirmed(userId)) return this.#missed(userId, wake);
    const keys = readCrossSigning(userId, master as JsonValue, selfSigning as JsonValue);
    this.remoteLists.updateArrived(userId);
    await this.deviceLists.remoteChanged(userId, wake, async (tx) => {
      if (await this.store.lockedList(tx, userId)) await this.remoteLists.saveCrossSigning(tx, userId, keys, false);
    });
  }

  /** The homes of a user speak for his devices; about accounts on this server nobody else does. */
  async #mayTell(origin: string, userId: string): Promise<boolean> {
    return !this.directory.has(userId) && (await this.accountServers.of(userId)).includes(origin);
  }

  /** Nobody stands by the record now through which the update came: the list is asked for again when somebody does. */
  async #missed(userId: string, wake: readonly string[]): Promise<void> {
    await this.deviceLists.remoteChanged(userId, wake, async (tx) => {
      if (await this.store.lockedList(tx, userId)) await this.store.markStale(tx, userId);
    });
  }

  async #apply(tx: Transaction, update: DeviceUpdate): Promise<void> {
    const { userId, deviceId, origin, streamId, device } = update;
    const list = await this.store.lockedList(tx, userId);
    if (!list || list.isStale) return;
    if (list.origin === origin && list.streamId !== null && streamId <= list.streamId) {
      // Its numbers go back when a server was restored from a backup (or an old update comes late, which costs one request).
      if (streamId < list.streamId) await this.store.markStale(tx, userId);
      return;
    }
    if (!follows(list, update)) {
      // Another home tells the same by its own numbers: that changes nothing.
      if (list.origin !== origin && isSame(await this.store.device(tx, userId, deviceId), device)) return;
      await this.store.markStale(tx, userId);
      return;
    }
    if (device) await this.store.putDevice(tx, userId, device);
    else await this.store.deleteDevice(tx, userId, deviceId);
    await this.store.putStreamId(tx, { ...list, streamId });
  }

  /** Servers tell of changes until no room is shared any more. */
  #onRoom(message: RoomCommitted): void {
    const ended = message.membershipChanges.filter(({ previous, membership }) => previous === 'join' && membership !== 'join');
    if (ended.length === 0) return;
    const remote = ended.filter((change) => !change.isLocal).map((change) => change.userId);
    const forgetting = ended.some((change) => change.isLocal)
      ? this.store.forgetUnshared({ roomId: message.roomId }).then(() => this.store.forgetUnshared({ userIds: remote }))
      : this.store.forgetUnshared({ userIds: remote });
    forgetting.catch((error: unknown) => this.log.error('device lists could not be forgotten', error));
  }
}

function isRemoteUserId(userId: unknown): userId is string {
  return isUserId(userId, { historical: true });
}

/** Whether nothing is missing between the list and the update. */
function follows(list: RemoteList, { origin, previous }: DeviceUpdate): boolean {
  if (list.origin !== origin) return false;
  const { streamId } = list;
  return previous.every((id) => streamId !== null && id <= streamId);
}

function isSame(present: RemoteDevice | undefined, next: RemoteDevice | undefined): boolean {
  return present === undefined || next === undefined
    ? present === next
    : present.displayName === next.displayName && safeCanonical(present.keys) === safeCanonical(next.keys);
}

function safeCanonical(value: unknown): string {
  try {
    return canonicalJson(value);
  } catch {
    return JSON.stringify(value);
  }
}
