import { Injectable, type OnModuleInit } from '@nestjs/common';
import { RequestVerifier } from '../federation/inbound/request-verifier.js';
import { addressKey } from '../http/rate-limits.js';
import { AuthSchemes } from '../http/auth-schemes.js';

/** Makes `@Auth('server')` work: the guard asks the federation's transport who signed the request. */
@Injectable()
export class SignedRequests implements OnModuleInit {
  constructor(
    private readonly schemes: AuthSchemes,
    private readonly verifier: RequestVerifier,
  ) {}

  onModuleInit(): void {
    this.schemes.register('server', async (request) => {
      request.originServer = await this.verifier.verify({
        method: request.method,
        // As it came: the signature covers the encoding that the sender chose.
        uri: request.originalUrl,
        authorization: request.headers.authorization,
        address: addressKey(request.ip),
        body: typeof request.body === 'string' ? request.body : undefined,
      });
    });
  }
}
