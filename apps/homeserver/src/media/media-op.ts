import { z } from 'zod';
import { isServerName } from '#federation';
import { parseStoredJson } from '#json';
import type { AccountChange } from '../accounts/account-ops.js';
import { isMediaId, type MediaAddress } from './media-address.js';
import type { Media } from './media.entity.js';
import { storableType } from './served-type.js';

const valueSchema = z.object({
  sha256: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  bytes: z.int().nonnegative(),
  content_type: z.string().max(255).transform(storableType),
  filename: z.string().max(255).nullable(),
  created_ts: z.int().nonnegative(),
});
type MediaOpValue = z.output<typeof valueSchema>;

export function mediaOpKey({ serverName, mediaId }: MediaAddress): string {
  return JSON.stringify([serverName, mediaId]);
}

/** What an account has uploaded, as its homes tell each other (docs/protocol.md §4): the bytes are fetched by themselves. */
export function mediaOp({ serverName, mediaId, sha256, bytes, contentType, filename, createdTs }: Pick<Media, 'serverName' | 'mediaId' | 'sha256' | 'bytes' | 'contentType' | 'filename' | 'createdTs'>): AccountChange {
  return {
    kind: 'media',
    key: mediaOpKey({ serverName, mediaId }),
    value: { sha256, bytes, content_type: contentType, filename, created_ts: createdTs },
  };
}

/** Undefined for what is none. */
export function readMediaOp(key: string, value: unknown): (MediaAddress & MediaOpValue) | undefined {
  let names: unknown;
  try {
    names = parseStoredJson(key);
  } catch {
    return undefined;
  }
  const [serverName, mediaId] = Array.isArray(names) ? (names as unknown[]) : [];
  if (typeof serverName !== 'string' || typeof mediaId !== 'string' || !isServerName(serverName) || !isMediaId(mediaId)) return undefined;
  const { success, data } = valueSchema.safeParse(value);
  return success ? { serverName, mediaId, ...data } : undefined;
}
