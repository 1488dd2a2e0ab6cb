import { z } from 'zod';
import { authDataSchema } from '../../auth/user-interactive-auth.js';
import { userIdentifierShape } from '../../auth/user-identifier.js';
import { optionalText, text } from '../../http/query-schemas.js';

/** The members of all login types; each type's own are checked by its handler. */
export const loginSchema = z.looseObject({
  type: text(255),
  ...userIdentifierShape,
  device_id: optionalText(255),
  initial_device_display_name: optionalText(255),
  refresh_token: z.boolean().nullish(),
});
export type LoginBody = z.output<typeof loginSchema>;

export const getTokenSchema = z.object({ auth: authDataSchema.optional() });
export type GetTokenBody = z.output<typeof getTokenSchema>;

export const refreshSchema = z.object({ refresh_token: z.string().max(512) });
export type RefreshBody = z.output<typeof refreshSchema>;
