import { Injectable, type OnModuleInit } from '@nestjs/common';
import { RequestVerifier } from '../federation/inbound/request-verifier.js';
import { addressKey, RateLimits } from '../http/rate-limits.js';
import { LARGE_BODY, parseServerBody } from '../http/large-bodies.js';
import { AuthSchemes } from '../http/auth-schemes.js';

const TRANSACTIONS = '/_matrix/federation/v1/send/';

/** Makes `@Auth('server')` work: the guard asks the federation's transport who signed the request. */
@Injectable()
export class SignedRequests implements OnModuleInit {
  constructor(
    private readonly schemes: AuthSchemes,
    private readonly verifier: RequestVerifier,
    private readonly limits: RateLimits,
  ) {}

  onModuleInit(): void {
    this.schemes.register('server', async (request) => {
      const body = typeof request.body === 'string' ? request.body : undefined;
      const origin = await this.verifier.verify({
        method: request.method,
        // As it came: the signature covers the encoding that the sender chose.
        uri: request.originalUrl,
        authorization: request.headers.authorization,
        address: addressKey(request.ip),
        body,
      });
      request.originServer = origin;
      // Only now is it known who has sent so much.
      this.limits.charge('server-bytes', origin, body?.length ?? 0);
      // Transactions are parsed in their turn.
      if (body !== undefined && body.length > LARGE_BODY && !request.url.startsWith(TRANSACTIONS)) request.parsedBody = await parseServerBody(body);
    }, (request) => {
      const { origin } = this.verifier.headerOf(request.headers.authorization);
      if (request.method !== 'GET') this.limits.check('server-bytes', origin);
    });
  }
}
