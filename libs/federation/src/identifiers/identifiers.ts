import { isServerName } from './server-name.js';

/** Bytes of every identifier, with sigil and server name (appendices, §Identifier grammar). */
export const MAX_IDENTIFIER_BYTES = 255;

const USER_LOCALPART = /^[a-z0-9._=/+-]+$/;
/** SHA-256 in Base64 without padding. Room version 3's event ids have the standard alphabet, later ones the URL-safe one. */
const HASH = /^[A-Za-z0-9+/_-]{43}$/;
const URL_SAFE_HASH = /^[A-Za-z0-9_-]{43}$/;

/**
 * Whether a text is a user id. `historical` takes the localparts that older servers allowed (anything but `:` and NUL,
 * even nothing): right for what other servers send, wrong for what our own clients make.
 */
export function isUserId(text: unknown, options: { historical?: boolean } = {}): text is string {
  return isScoped(text, '@', (localpart) => (options.historical ? isOpaque(localpart) : USER_LOCALPART.test(localpart)));
}

/** `!opaque:server`, or from room version 12 on the hash of the create event, `!hash`. */
export function isRoomId(text: unknown): text is string {
  return isHash(text, '!', URL_SAFE_HASH) || isScoped(text, '!', (localpart) => localpart !== '' && isOpaque(localpart));
}

/** `$hash`, or in room versions 1 and 2 `$opaque:server`. */
export function isEventId(text: unknown): text is string {
  return isHash(text, '$', HASH) || isScoped(text, '$', (localpart) => localpart !== '' && isOpaque(localpart));
}

export function isRoomAlias(text: unknown): text is string {
  return isScoped(text, '#', (localpart) => localpart !== '' && isOpaque(localpart));
}

/** What stands after the first colon; empty when there is none, as in room ids from version 12 on. */
export function serverNameOf(id: string): string {
  const colon = id.indexOf(':');
  return colon === -1 ? '' : id.slice(colon + 1);
}

/** What stands between the sigil and the first colon. */
export function localpartOf(id: string): string {
  const colon = id.indexOf(':');
  return id.slice(1, colon === -1 ? undefined : colon);
}

function isScoped(text: unknown, sigil: string, isLocalpart: (localpart: string) => boolean): boolean {
  if (typeof text !== 'string' || !text.startsWith(sigil) || !text.includes(':')) return false;
  if (text.length > MAX_IDENTIFIER_BYTES || Buffer.byteLength(text) > MAX_IDENTIFIER_BYTES) return false;
  return isLocalpart(localpartOf(text)) && isServerName(serverNameOf(text));
}

function isHash(text: unknown, sigil: string, pattern: RegExp): boolean {
  return typeof text === 'string' && text.startsWith(sigil) && pattern.test(text.slice(1));
}

function isOpaque(localpart: string): boolean {
  return !localpart.includes('\u0000') && localpart.isWellFormed();
}
