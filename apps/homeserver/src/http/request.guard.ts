import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { userLocked } from '../accounts/open-sessions.js';
import { Authenticator } from '../auth/authenticator.js';
import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import { type AuthRule, authRuleOf } from './auth.decorator.js';
import { AuthSchemes } from './auth-schemes.js';
import { rateLimitOf } from './rate-limit.decorator.js';
import { addressKey, RateLimits } from './rate-limits.js';

/** The one guard of all routes: who calls, may they, and not too often. The body is looked at afterwards only. */
@Injectable()
export class RequestGuard implements CanActivate {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly schemes: AuthSchemes,
    private readonly limits: RateLimits,
    private readonly config: Config,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    // The WebSocket gateway authenticates in its handshake.
    if (context.getType() !== 'http') return true;
    const handler = context.getHandler();
    const rule = authRuleOf(handler);
    if (!rule) throw new Error(`route without @Auth: ${context.getClass().name}.${handler.name}`);
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    await this.#authenticate(request, rule);
    const kind = rateLimitOf(handler);
    if (kind) this.limits.take(kind, request.requester?.userId ?? request.originServer ?? addressKey(request.ip));
    return true;
  }

  async #authenticate(request: FastifyRequest, rule: AuthRule): Promise<void> {
    switch (rule.mode) {
      case 'none':
      case 'custom':
        return;
      case 'registration-secret':
        if (this.config.registrationSecret === null) throw MatrixError.unrecognized('Shared secret registration is not set up');
        return;
      case 'server': {
        const scheme = this.schemes.get('server');
        if (!scheme) throw new Error('no scheme for signed requests is registered');
        return scheme(request);
      }
      default:
        request.requester = await this.#requester(request, rule);
    }
  }

  async #requester(request: FastifyRequest, rule: AuthRule): Promise<FastifyRequest['requester']> {
    const token = accessTokenOf(request);
    if (token === undefined) {
      if (rule.mode === 'optional') return null;
      throw new MatrixError(401, 'M_MISSING_TOKEN', 'Missing access token');
    }
    const requester = await this.authenticator.authenticate(token, {
      address: request.ip,
      userAgent: request.headers['user-agent'],
      query: request.query as Record<string, unknown>,
    });
    if (requester.isLocked && rule.locked !== 'allow') {
      throw userLocked();
    }
    if (requester.isGuest && rule.mode === 'user') {
      throw new MatrixError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'Guests cannot do this');
    }
    if (requester.isSuspended && rule.suspended === 'refuse') {
      throw new MatrixError(403, 'M_USER_SUSPENDED', 'This account is suspended');
    }
    if (rule.admin && !requester.isAdmin) throw MatrixError.forbidden('Only administrators can do this');
    return requester;
  }
}

/** The token of the Authorization header or, deprecated since v1.11 and still in use, of the `access_token` query parameter. */
export function accessTokenOf(request: Pick<FastifyRequest, 'headers' | 'query'>): string | undefined {
  const header = request.headers.authorization;
  if (header !== undefined) {
    // RFC 9110: the scheme's name is case-insensitive.
    return header.length > 7 && header.slice(0, 7).toLowerCase() === 'bearer ' ? header.slice(7).trim() : undefined;
  }
  const parameter = (request.query as Record<string, unknown> | null)?.['access_token'];
  return typeof parameter === 'string' && parameter !== '' ? parameter : undefined;
}
