import { z } from 'zod';
import { authDataSchema } from '../../auth/user-interactive-auth.js';
import { optionalText } from '../../http/query-schemas.js';

export const registrationSchema = z.object({
  auth: authDataSchema.optional(),
  username: optionalText(255),
  password: optionalText(4096),
  guest_access_token: optionalText(512),
  device_id: optionalText(255),
  initial_device_display_name: optionalText(255),
  inhibit_login: z.boolean().nullish(),
  refresh_token: z.boolean().nullish(),
  'io.partyline.genesis': z.unknown().optional(),
});
export type RegistrationBody = z.output<typeof registrationSchema>;

export const registrationQuery = z.object({ kind: z.enum(['user', 'guest']).default('user') });
export type RegistrationQuery = z.output<typeof registrationQuery>;

export const usernameQuery = z.object({ username: z.string().max(1024) });
export const tokenQuery = z.object({ token: z.string().max(1024) });
