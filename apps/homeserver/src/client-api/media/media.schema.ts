import { z } from 'zod';
import { queryBoolean, queryNumber, text } from '../../http/query-schemas.js';

/** The specification's default, and the most that is waited for an upload. */
const DEFAULT_TIMEOUT_MS = 20_000;
const MAX_TIMEOUT_MS = 60_000;

export const uploadSchema = z.object({ filename: text(4_096).optional() });
export type UploadQuery = z.output<typeof uploadSchema>;

const timeout = queryNumber(MAX_TIMEOUT_MS).default(DEFAULT_TIMEOUT_MS);

export const downloadSchema = z.object({ timeout_ms: timeout, allow_remote: queryBoolean.default(true), 'io.partyline.sha256': z.string().regex(/^[A-Za-z0-9_-]{43}$/).optional() });
export type DownloadParameters = z.output<typeof downloadSchema>;

export const thumbnailSchema = downloadSchema.extend({
  width: queryNumber(100_000), height: queryNumber(100_000), method: z.enum(['crop', 'scale']).default('scale'), animated: queryBoolean.default(false),
});
export type ThumbnailParameters = z.output<typeof thumbnailSchema>;

export const previewSchema = z.object({ url: text(2_048), ts: queryNumber(Number.MAX_SAFE_INTEGER).optional() });
export type PreviewQuery = z.output<typeof previewSchema>;
