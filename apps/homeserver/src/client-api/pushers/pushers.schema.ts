import { z } from 'zod';
import { boundedJson } from '../../accounts/bounded-json.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { text } from '../../http/query-schemas.js';
import { isPushKey } from '../../push/web-push/push-encryption.js';
import { appIdSchema, MAX_DATA_BYTES, pushkeySchema, pusherTexts } from '../../push/pushers/pusher-content.js';

/** The kind of Web Push, as long as MSC4174 is none of the specification. */
export const WEB_PUSH = 'org.matrix.msc4174.webpush';
const AUTH_BYTES = 16;

export const pusherSchema = z.looseObject({
  app_id: appIdSchema,
  pushkey: pushkeySchema,
  kind: text(255).nullable(),
  append: z.boolean().optional(),
});
export const pusherDetails = z.object({ ...pusherTexts, data: z.looseObject({ format: text(255).optional() }) });
export type PusherDetails = z.output<typeof pusherDetails>;

export const ackSchema = z.object({ app_id: appIdSchema, ack_token: text(255) });

/** @throws MatrixError 400 M_INVALID_PARAM for one that this server has not */
export function pusherKind(kind: string): 'http' | 'webpush' {
  if (kind === 'http') return 'http';
  if (kind === WEB_PUSH || kind === 'webpush') return 'webpush';
  throw MatrixError.invalidParam(`This server has pushers of the kinds http and ${WEB_PUSH}`);
}

/** The keys of a browser's subscription (RFC 8291). @throws MatrixError 400 M_MISSING_PARAM, M_INVALID_PARAM */
export function checkWebPush(pushkey: string, auth: unknown): void {
  if (!isPushKey(Buffer.from(pushkey, 'base64url'))) throw MatrixError.invalidParam('pushkey is no public key of P-256 in URL-safe Base64');
  if (auth === undefined) throw MatrixError.missingParam('Missing data.auth');
  if (typeof auth !== 'string' || Buffer.from(auth, 'base64url').length !== AUTH_BYTES) throw MatrixError.invalidParam(`data.auth is not ${AUTH_BYTES} bytes in URL-safe Base64`);
}

/** @throws MatrixError 413 M_TOO_LARGE */
export function dataText(data: object): string {
  return boundedJson(data, MAX_DATA_BYTES, 'data');
}
