import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { toBase64Url } from './base64.js';

/**
 * The `txn` of a write (protocol §6): the same at every home, so that a repeated write is recognised, and meaningless to
 * everybody without the device's secret.
 * @param deviceSecret 32 random bytes that this device keeps for itself
 * @param method upper case, e.g. `PUT`
 * @param path from `/_matrix` on, without query; the transaction id in it may stay in it
 * @param transactionId the app's transaction id; for requests that have none, a random one per request
 * @returns 22 characters of base64url, 16 bytes
 */
export function txnId(deviceSecret: Uint8Array, method: string, path: string, transactionId: string): string {
  // Neither a method nor a path can hold a line feed, so that the parts cannot be shifted against each other.
  const text = new TextEncoder().encode(`${method}\n${path}\n${transactionId}`);
  return toBase64Url(hmac(sha256, deviceSecret, text).slice(0, 16));
}
