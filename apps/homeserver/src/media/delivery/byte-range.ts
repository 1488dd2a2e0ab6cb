import type { ByteRange } from '../storage/media-storage.js';

/**
 * The part of a file that a header Range asks for (RFC 9110, §14.2): undefined for all of it, as for several ranges or what makes no sense;
 * `none` where nothing of the file is in it.
 */
export function byteRange(header: string | undefined, bytes: number): ByteRange | undefined | 'none' {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  if (first === '') return last === '0' || Number(last) === 0 || bytes === 0 ? 'none' : { start: Math.max(0, bytes - Number(last)), end: bytes - 1 };
  const start = Number(first);
  if (last !== '' && Number(last) < start) return undefined;
  return start >= bytes ? 'none' : { start, end: last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1) };
}
