import { z } from 'zod';
import { authDataSchema } from '../../auth/user-interactive-auth.js';
import { text } from '../../http/query-schemas.js';

/** Users or devices that one request may name. */
const MAX_NAMES = 10_000;
/** Longest wait for other servers. */
const MAX_TIMEOUT_MS = 60_000;

/** A map with a bounded number of members. */
export function boundedRecord<V extends z.ZodType>(value: V, key: z.ZodString = text(255)) {
  return z.record(key, value).refine((map) => Object.keys(map).length <= MAX_NAMES, `more than ${MAX_NAMES} members`);
}

export const userIdText = text(255).regex(/^@[^:]*:./, 'must be a user id');

const object = z.looseObject({});
const timeout = z
  .number()
  .int()
  .nonnegative()
  .nullish()
  .transform((ms) => Math.min(ms ?? 10_000, MAX_TIMEOUT_MS));

export const uploadSchema = z.object({
  device_keys: z.looseObject({ user_id: text(255), device_id: text(255), keys: boundedRecord(z.string()) }).nullish(),
  one_time_keys: boundedRecord(z.unknown(), z.string()).nullish(),
  fallback_keys: boundedRecord(z.unknown(), z.string()).nullish(),
});
export type UploadBody = z.output<typeof uploadSchema>;

export const querySchema = z.object({
  timeout,
  device_keys: boundedRecord(z.array(text(255)).max(MAX_NAMES), userIdText),
});
export type QueryBody = z.output<typeof querySchema>;

export const claimSchema = z.object({
  timeout,
  one_time_keys: boundedRecord(boundedRecord(text(64)), userIdText),
});
export type ClaimBody = z.output<typeof claimSchema>;

export const changesSchema = z.object({ from: z.string(), to: z.string().optional() });

export const crossSigningSchema = z.object({
  auth: authDataSchema.optional(),
  master_key: object.nullish(),
  self_signing_key: object.nullish(),
  user_signing_key: object.nullish(),
});
export type CrossSigningBody = z.output<typeof crossSigningSchema>;

export const signaturesSchema = boundedRecord(boundedRecord(z.unknown()), userIdText);
export type SignaturesBody = z.output<typeof signaturesSchema>;
