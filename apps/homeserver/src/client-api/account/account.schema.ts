import { z } from 'zod';
import { authDataSchema } from '../../auth/user-interactive-auth.js';

export const passwordSchema = z.object({
  auth: authDataSchema.optional(),
  new_password: z.string().max(4096),
  logout_devices: z.boolean().default(true),
});
export type PasswordBody = z.output<typeof passwordSchema>;

export const deactivationSchema = z.object({
  auth: authDataSchema.optional(),
  erase: z.boolean().default(false),
  /** The account's last record, signed by a client that holds the account key. */
  'io.partyline.record': z.unknown().optional(),
});
export type DeactivationBody = z.output<typeof deactivationSchema>;
