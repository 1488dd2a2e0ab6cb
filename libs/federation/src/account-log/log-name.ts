import { canonicalJson } from '../canonical-json/index.js';
import { sha256, urlSafeUnpaddedBase64 } from '../signing/index.js';

export const LOG_PREFIX_CHARACTERS = 32;
const START = /^[A-Za-z0-9_-]{10}$/;

/** The part of a log's name that a key has to itself: 192 bits of a hash of account and public key. */
export function logPrefix(userId: string, publicKey: string): string {
  return urlSafeUnpaddedBase64(sha256(canonicalJson({ key: publicKey, user_id: userId }))).slice(0, LOG_PREFIX_CHARACTERS);
}

/**
 * The name of a log: whoever knows the key can tell that the log is the key's, whatever servers are called by then.
 *
 * @param start 10 characters of URL-safe Base64, random: a home that lost its memory must not take up a log that it had
 */
export function logName(userId: string, publicKey: string, start: string): string {
  if (!START.test(start)) throw new RangeError('a log starts with 10 characters');
  return logPrefix(userId, publicKey) + start;
}

export function isLogOf(log: string, userId: string, publicKey: string): boolean {
  return isLogName(log) && log.startsWith(logPrefix(userId, publicKey));
}

export function isLogName(value: unknown): value is string {
  return typeof value === 'string' && value.length === LOG_PREFIX_CHARACTERS + 10 && /^[A-Za-z0-9_-]+$/.test(value);
}
