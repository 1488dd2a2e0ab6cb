import { z } from 'zod';
import { boundedJson } from '../../accounts/bounded-json.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { text } from '../../http/query-schemas.js';
import { appIdSchema, MAX_DATA_BYTES, pushkeySchema, pusherTexts } from '../../push/pushers/pusher-content.js';

/** The names of Web Push, MSC4174. */
const WEB_PUSH = ['webpush', 'm.webpush', 'org.matrix.msc4174.webpush'];

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
  if (WEB_PUSH.includes(kind)) return 'webpush';
  throw MatrixError.invalidParam('This server has pushers of the kinds http and webpush');
}

/** @throws MatrixError 413 M_TOO_LARGE */
export function dataText(data: object): string {
  return boundedJson(data, MAX_DATA_BYTES, 'data');
}
