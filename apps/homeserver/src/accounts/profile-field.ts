import { MatrixError } from '../errors/matrix-error.js';

const MAX_KEY_BYTES = 255;
/** A display name stands in every member event. */
const MAX_DISPLAY_NAME_BYTES = 1024;
const MAX_AVATAR_URL_BYTES = 1024;
const NAMESPACED = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$/;

/**
 * Checks the name and the value of a profile field that a client sets (client-api "profiles", v1.16).
 *
 * @throws MatrixError 400 M_KEY_TOO_LARGE, M_INVALID_PARAM or M_BAD_JSON
 */
export function checkProfileField(key: string, value: unknown): void {
  checkProfileKey(key);
  // A null is a deletion in the log of operations, so it cannot be a value too.
  if (value === null) throw MatrixError.invalidParam('null is not accepted; use DELETE');
  if (key !== 'displayname' && key !== 'avatar_url' && key !== 'm.tz') return;
  if (typeof value !== 'string') throw MatrixError.badJson(`${key} must be a string`);
  const limit = key === 'avatar_url' ? MAX_AVATAR_URL_BYTES : MAX_DISPLAY_NAME_BYTES;
  if (Buffer.byteLength(value) > limit) throw new MatrixError(400, 'M_INVALID_PARAM', `${key} is longer than ${limit} bytes`);
}

/** @throws MatrixError 400 M_KEY_TOO_LARGE or M_INVALID_PARAM */
export function checkProfileKey(key: string): void {
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw new MatrixError(400, 'M_KEY_TOO_LARGE', 'The field name is too long');
  if (key !== 'displayname' && key !== 'avatar_url' && !NAMESPACED.test(key)) {
    throw MatrixError.invalidParam('Invalid profile field name');
  }
}
