import { Controller, Get, Post } from '@nestjs/common';
import { z } from 'zod';
import { AccessTokens } from '../accounts/access-tokens.js';
import { Auth } from '../http/auth.decorator.js';
import { JsonBody } from '../http/param.decorators.js';
import { RateLimit } from '../http/rate-limit.decorator.js';
import { Log } from '../observability/log.js';
import { DatabaseEpoch } from '../storage/database-epoch.js';
import { RegistrationNonces } from './registration-nonces.js';

const schema = z.object({ nonce: z.string().max(128), mac: z.string().max(128) });
type Body = z.output<typeof schema>;

/**
 * What an operator does after a backup was restored (docs/operators.md): he who knows the shared secret, with a nonce and a
 * MAC as of the shared-secret registration, over the last word of the path.
 */
@Controller('/_synapse/admin/v1/io.partyline')
export class RestoreController {
  constructor(
    private readonly nonces: RegistrationNonces,
    private readonly epoch: DatabaseEpoch,
    private readonly tokens: AccessTokens,
    private readonly log: Log,
  ) {}

  /** When a restore was noticed last, and by what. */
  @Get('restored')
  @Auth('user', { admin: true })
  restored(): object {
    const { cause } = this.epoch.current;
    return this.epoch.restoredTs === null ? {} : { restored_ts: this.epoch.restoredTs, cause };
  }

  /** The operator says that the database was restored. */
  @Post('restored')
  @Auth('registration-secret')
  @RateLimit('lookup')
  async restore(@JsonBody(schema) { nonce, mac }: Body): Promise<object> {
    this.nonces.redeemFor(nonce, ['restored'], mac);
    await this.epoch.restored('command');
    return this.restored();
  }

  /** Ends all sessions of all accounts, on this server only. */
  @Post('end_sessions')
  @Auth('registration-secret')
  @RateLimit('lookup')
  async endSessions(@JsonBody(schema) { nonce, mac }: Body): Promise<object> {
    this.nonces.redeemFor(nonce, ['end_sessions'], mac);
    const ended = await this.tokens.revokeEverybody();
    this.log.warn('all sessions were ended by the operator', { ended });
    return { ended };
  }
}
