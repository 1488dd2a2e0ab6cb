import { Controller, Post } from '@nestjs/common';
import { z } from 'zod';
import { PasswordChange } from '../auth/password-change.js';
import { Auth } from '../http/auth.decorator.js';
import { JsonBody } from '../http/param.decorators.js';
import { RateLimit } from '../http/rate-limit.decorator.js';
import { Log, LOG_LEVELS } from '../observability/log.js';
import { RegistrationNonces } from './registration-nonces.js';

const signed = { nonce: z.string().max(128), mac: z.string().max(128) };
const passwordSchema = z.object({ ...signed, user: z.string().max(255), password: z.string().max(4096), end_sessions: z.boolean().default(false) });
const levelSchema = z.object({ ...signed, level: z.enum(LOG_LEVELS, `expected ${LOG_LEVELS.join(', ')}`) });

/** What `partyline admin` asks for: he who knows the shared secret, with a nonce and a MAC as of the shared-secret registration. */
@Controller('/_synapse/admin/v1/io.partyline')
export class OperatorController {
  constructor(
    private readonly nonces: RegistrationNonces,
    private readonly passwords: PasswordChange,
    private readonly log: Log,
  ) {}

  /** Another password for an account of this server. */
  @Post('reset_password')
  @Auth('registration-secret')
  @RateLimit('lookup')
  async resetPassword(@JsonBody(passwordSchema) { nonce, mac, user, password, end_sessions: endSessions }: z.output<typeof passwordSchema>): Promise<object> {
    this.nonces.redeemFor(nonce, ['reset_password', user, password, endSessions ? 'end_sessions' : 'keep_sessions'], mac);
    const userId = await this.passwords.reset(user, password, { endSessions });
    this.log.warn('a password was reset by the operator', { user: userId, endSessions });
    return { user_id: userId };
  }

  /** How much is logged, until the next start. */
  @Post('log_level')
  @Auth('registration-secret')
  @RateLimit('lookup')
  logLevel(@JsonBody(levelSchema) { nonce, mac, level }: z.output<typeof levelSchema>): object {
    this.nonces.redeemFor(nonce, ['log_level', level], mac);
    const before = this.log.level;
    this.log.level = level;
    return { before, level };
  }
}
