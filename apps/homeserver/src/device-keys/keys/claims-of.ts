import type { KeyClaim } from '../one-time-keys/one-time-key.store.js';

/** The claims of a `/keys/claim` body: user id → device id → algorithm. */
export function claimsOf(wanted: Readonly<Record<string, Readonly<Record<string, string>>>>): KeyClaim[] {
  return Object.entries(wanted).flatMap(([userId, devices]) =>
    Object.entries(devices).map(([deviceId, algorithm]) => ({ userId, deviceId, algorithm })),
  );
}
