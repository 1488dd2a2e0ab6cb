/** Text that is not Base64 in any of the forms that Matrix uses. */
export class Base64Error extends Error {
  override readonly name = 'Base64Error';
}

const LENIENT = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** Unpadded Base64 with the standard alphabet: keys, hashes and signatures (appendices, §Unpadded Base64). */
export function unpaddedBase64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64').replace(/=+$/, '');
}

/** Unpadded Base64 with `-` and `_`: event ids. */
export function urlSafeUnpaddedBase64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64url');
}

/**
 * Decodes either alphabet, padded or not.
 *
 * @throws Base64Error on other characters or an impossible length; Node's own decoder would skip them silently.
 */
export function fromBase64(text: string): Uint8Array {
  const bytes = decodeBase64(text);
  if (!bytes) throw new Base64Error('not Base64');
  return bytes;
}

/** As `fromBase64`, with undefined instead of an exception. */
export function decodeBase64(text: unknown): Uint8Array | undefined {
  if (typeof text !== 'string' || !LENIENT.test(text)) return undefined;
  const end = text.indexOf('=');
  const digits = end === -1 ? text.length : end;
  return digits % 4 === 1 ? undefined : Buffer.from(text, 'base64');
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
