import { hash } from 'node:crypto';

/** SHA-256 of bytes, or of a text's UTF-8; 32 bytes. */
export function sha256(data: string | Uint8Array): Uint8Array {
  return hash('sha256', data, 'buffer');
}

/** SHA-256 as unpadded Base64 (43 characters), without a detour over a buffer. */
export function sha256Base64(text: string): string {
  return hash('sha256', text, 'base64').slice(0, 43);
}

/** SHA-256 as URL-safe unpadded Base64 (43 characters). */
export function sha256Base64Url(text: string): string {
  return hash('sha256', text, 'base64url');
}
