import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** Authenticates a request and sets `request.originServer` or `request.requester`; throws MatrixError otherwise. */
export type AuthScheme = (request: FastifyRequest) => Promise<void>;

/** Ways to authenticate that live above this folder: the federation's signed requests register here when the server starts. */
@Injectable()
export class AuthSchemes {
  readonly #schemes = new Map<string, AuthScheme>();

  register(mode: 'server', scheme: AuthScheme): void {
    this.#schemes.set(mode, scheme);
  }

  get(mode: string): AuthScheme | undefined {
    return this.#schemes.get(mode);
  }
}
