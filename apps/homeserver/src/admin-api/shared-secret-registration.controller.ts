import { Controller, Get, Post } from '@nestjs/common';
import { z } from 'zod';
import { AccountDirectory } from '../accounts/account-directory.js';
import { Profiles } from '../accounts/profiles.js';
import { Passwords } from '../auth/passwords.js';
import { Sessions } from '../auth/sessions.js';
import { UserNames } from '../auth/user-names.js';
import { Auth } from '../http/auth.decorator.js';
import { JsonBody } from '../http/param.decorators.js';
import { optionalText } from '../http/query-schemas.js';
import { RateLimit } from '../http/rate-limit.decorator.js';
import { RegistrationNonces } from './registration-nonces.js';

const schema = z.object({
  nonce: z.string().max(128),
  username: z.string().max(255),
  password: z.string().max(512),
  displayname: optionalText(255),
  admin: z.boolean().nullish(),
  user_type: optionalText(64),
  mac: z.string().max(128),
  inhibit_login: z.boolean().nullish(),
});

/** Registration by those who know the operator's shared secret, as in Synapse, so that its tools work here. */
@Controller('/_synapse/admin/v1/register')
export class SharedSecretRegistrationController {
  constructor(
    private readonly nonces: RegistrationNonces,
    private readonly names: UserNames,
    private readonly passwords: Passwords,
    private readonly directory: AccountDirectory,
    private readonly profiles: Profiles,
    private readonly sessions: Sessions,
  ) {}

  @Get()
  @Auth('registration-secret')
  @RateLimit('lookup')
  nonce(): object {
    return { nonce: this.nonces.issue() };
  }

  @Post()
  @Auth('registration-secret')
  @RateLimit('registration')
  async register(@JsonBody(schema) body: z.output<typeof schema>): Promise<object> {
    const { username, password, displayname, user_type: userType } = body;
    const admin = body.admin ?? false;
    this.nonces.redeem({ nonce: body.nonce, username, password, admin, userType, mac: body.mac });
    const userId = this.names.choose(username);
    await this.directory.create({ userId, passwordHash: await this.passwords.hash(password), isAdmin: admin });
    if (displayname) await this.profiles.set(userId, 'displayname', displayname);
    if (body.inhibit_login) return { user_id: userId };
    return this.sessions.open({ userId });
  }
}
