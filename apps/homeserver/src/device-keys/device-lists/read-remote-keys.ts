import { isJsonObject, type JsonObject, jsonMember, type JsonValue } from '#federation';
import { MAX_NESTING, nestsDeeperThan } from '#json';
import { MAX_KEY_OBJECT_BYTES, publicKeyOf, withoutUnsigned } from '../keys/key-object.js';
import type { RemoteDevice } from './remote-device-list.store.js';

/** Devices of one user that are taken from another server. */
const MAX_DEVICES = 1_000;
const MAX_NAME_LENGTH = 255;

/** What another server says of one user. */
export interface RemoteKeys {
  readonly devices: readonly RemoteDevice[];
  readonly master?: JsonObject;
  readonly selfSigning?: JsonObject;
  /** As `/user/devices` tells it; null from `/user/keys/query`. */
  readonly streamId: number | null;
}

/** Reads the part of an answer of `POST /user/keys/query` that is about one user; whatever is malformed is left out. */
export function readQueriedKeys(body: unknown, userId: string): RemoteKeys {
  const answer = body as JsonValue;
  const ofUser = (member: string): JsonValue | undefined => jsonMember(jsonMember(answer, member), userId);
  const listed = ofUser('device_keys');
  const devices = Object.entries(isJsonObject(listed) ? listed : {}).map(([deviceId, device]) =>
    readRemoteDevice(userId, deviceId, device, jsonMember(jsonMember(device, 'unsigned'), 'device_display_name')),
  );
  return {
    devices: devices.filter((device) => device !== undefined).slice(0, MAX_DEVICES),
    ...readCrossSigning(userId, ofUser('master_keys'), ofUser('self_signing_keys')),
    streamId: null,
  };
}

/** Reads an answer of `GET /user/devices/{userId}`. */
export function readDeviceList(body: unknown, userId: string): RemoteKeys {
  const answer = body as JsonValue;
  const listed = jsonMember(answer, 'devices');
  const devices = (Array.isArray(listed) ? listed : []).map((device) => {
    const deviceId = jsonMember(device, 'device_id');
    if (typeof deviceId !== 'string') return undefined;
    return readRemoteDevice(userId, deviceId, jsonMember(device, 'keys'), jsonMember(device, 'device_display_name'));
  });
  const streamId = jsonMember(answer, 'stream_id');
  const byId = new Map(devices.filter((device) => device !== undefined).map((device) => [device.deviceId, device]));
  return {
    devices: [...byId.values()].slice(0, MAX_DEVICES),
    ...readCrossSigning(userId, jsonMember(answer, 'master_key'), jsonMember(answer, 'self_signing_key')),
    streamId: Number.isSafeInteger(streamId) ? (streamId as number) : null,
  };
}

/** One device; undefined when its key object is missing, another device's, or too large or deep. */
export function readRemoteDevice(
  userId: string, deviceId: string, keys: JsonValue | undefined, displayName: JsonValue | undefined,
): RemoteDevice | undefined {
  if (deviceId === '' || deviceId.length > 255 || deviceId.includes('\0')) return undefined;
  if (!isJsonObject(keys) || isTooLarge(keys) || !isSaidOf(keys, userId, deviceId)) return undefined;
  const name = typeof displayName === 'string' ? displayName.slice(0, MAX_NAME_LENGTH).replaceAll('\0', '').toWellFormed() : null;
  return { deviceId, keys: withoutUnsigned(keys), displayName: name };
}

/** Whether nothing in the key object says that it is of another device. What is missing is for clients to mind, who check it all. */
function isSaidOf({ user_id: user, device_id: device }: JsonObject, userId: string, deviceId: string): boolean {
  return (user === undefined || user === userId) && (device === undefined || device === deviceId);
}

/** The cross-signing keys that are well-formed. */
export function readCrossSigning(
  userId: string, master: JsonValue | undefined, selfSigning: JsonValue | undefined,
): { master?: JsonObject; selfSigning?: JsonObject } {
  return {
    ...(publicKeyOf(master, userId, 'master') !== undefined && !isTooLarge(master) && { master: master as JsonObject }),
    ...(publicKeyOf(selfSigning, userId, 'self_signing') !== undefined && !isTooLarge(selfSigning) && {
      selfSigning: selfSigning as JsonObject,
    }),
  };
}

function isTooLarge(key: JsonValue | undefined): boolean {
  return nestsDeeperThan(key, MAX_NESTING) || JSON.stringify(key).length > MAX_KEY_OBJECT_BYTES;
}
