import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { userLocked } from '../accounts/open-sessions.js';
import type { Requester } from '../accounts/requester.js';
import { Authenticator } from '../auth/authenticator.js';
import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import { type AuthRule, authRuleOf } from './auth.decorator.js';
import { AuthSchemes } from './auth-schemes.js';
import { rateLimitOf } from './rate-limit.decorator.js';
import { addressKey, type RateLimitKind, RateLimits } from './rate-limits.js';

/** What a route asks of its callers. */
interface Demands {
  readonly rule: AuthRule;
  readonly kind: RateLimitKind | undefined;
}

/** The one guard of all routes: who calls, may they, and not too often. The body is looked at afterwards only. */
@Injectable()
export class RequestGuard implements CanActivate {
  /** By handler of a route. */
  readonly #demands = new WeakMap<object, Demands>();

  constructor(
    private readonly authenticator: Authenticator,
    private readonly schemes: AuthSchemes,
    private readonly limits: RateLimits,
    private readonly config: Config,
  ) {}

  /** Answers at once where it can: most requests come with a token that is in memory. */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    // The WebSocket gateway authenticates in its handshake.
    if (context.getType() !== 'http') return true;
    const { rule, kind } = this.#demandsOf(context);
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const waiting = this.#authenticate(request, rule);
    return waiting ? waiting.then(() => this.#admit(request, kind)) : this.#admit(request, kind);
  }

  #demandsOf(context: ExecutionContext): Demands {
    const handler = context.getHandler();
    const known = this.#demands.get(handler);
    if (known) return known;
    const rule = authRuleOf(handler);
    if (!rule) throw new Error(`route without @Auth: ${context.getClass().name}.${handler.name}`);
    const demands = { rule, kind: rateLimitOf(handler) };
    this.#demands.set(handler, demands);
    return demands;
  }

  #admit(request: FastifyRequest, kind: RateLimitKind | undefined): true {
    if (kind) this.limits.take(kind, request.requester?.userId ?? request.originServer ?? addressKey(request.ip));
    return true;
  }

  /** Undefined when it is done. */
  #authenticate(request: FastifyRequest, rule: AuthRule): Promise<void> | undefined {
    switch (rule.mode) {
      case 'none':
      case 'custom':
        return undefined;
      case 'registration-secret':
        if (this.config.registrationSecret === null) throw MatrixError.unrecognized('Shared secret registration is not set up');
        return undefined;
      case 'server': {
        const scheme = this.schemes.get('server');
        if (!scheme) throw new Error('no scheme for signed requests is registered');
        return scheme(request);
      }
      default:
        return this.#identify(request, rule);
    }
  }

  #identify(request: FastifyRequest, rule: AuthRule): Promise<void> | undefined {
    const token = accessTokenOf(request);
    if (token === undefined) {
      if (rule.mode === 'optional') return undefined;
      throw new MatrixError(401, 'M_MISSING_TOKEN', 'Missing access token');
    }
    const requester = this.authenticator.authenticate(token, {
      address: addressOf(request),
      userAgent: request.headers['user-agent'],
      query: request.query as Record<string, unknown>,
    });
    if (requester instanceof Promise) return requester.then((known) => void (request.requester = permitted(known, rule)));
    request.requester = permitted(requester, rule);
    return undefined;
  }
}

/** Not more than Fastify's `ip` says, which looks for proxies first. */
function addressOf(request: FastifyRequest): string {
  return request.headers['x-forwarded-for'] === undefined ? (request.socket.remoteAddress ?? '') : request.ip;
}

/** @throws MatrixError for accounts that the route is not for */
function permitted(requester: Requester, rule: AuthRule): Requester {
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
