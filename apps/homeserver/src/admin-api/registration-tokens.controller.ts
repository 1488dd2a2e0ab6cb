import { Controller, Delete, Get, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import type { RegistrationToken } from '../auth/registration-token.entity.js';
import { RegistrationTokens } from '../auth/registration-tokens.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Auth } from '../http/auth.decorator.js';
import { JsonBody } from '../http/param.decorators.js';
import { optionalText } from '../http/query-schemas.js';

const schema = z.object({
  token: optionalText(64),
  uses_allowed: z.int().min(0).max(2_147_483_647).nullish(),
  expiry_time: z.int().min(0).nullish(),
});

/** The tokens with which people may register, for administrators; paths and bodies as in Synapse. */
@Controller('/_synapse/admin/v1/registration_tokens')
export class RegistrationTokensController {
  constructor(private readonly tokens: RegistrationTokens) {}

  @Get()
  @Auth('user', { admin: true })
  async list(): Promise<object> {
    return { registration_tokens: (await this.tokens.list()).map(toBody) };
  }

  @Post('new')
  @Auth('user', { admin: true })
  async create(@JsonBody(schema) body: z.output<typeof schema>): Promise<object> {
    const { token, uses_allowed: usesAllowed = null, expiry_time: expiresTs = null } = body;
    return toBody(await this.tokens.create({ token, usesAllowed, expiresTs }));
  }

  @Get(':token')
  @Auth('user', { admin: true })
  async get(@Param('token') token: string): Promise<object> {
    const found = await this.tokens.get(token);
    if (!found) throw MatrixError.notFound('No such registration token');
    return toBody(found);
  }

  @Delete(':token')
  @Auth('user', { admin: true })
  async delete(@Param('token') token: string): Promise<object> {
    if (!(await this.tokens.delete(token))) throw MatrixError.notFound('No such registration token');
    return {};
  }
}

function toBody({ token, usesAllowed, used, expiresTs }: RegistrationToken): object {
  return { token, uses_allowed: usesAllowed, pending: 0, completed: used, expiry_time: expiresTs };
}
