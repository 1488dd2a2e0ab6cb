import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

/** Authenticates a request and sets `request.originServer` or `request.requester`; throws MatrixError otherwise. */
export type AuthScheme = (request: FastifyRequest) => Promise<void>;

/** Ways to authenticate that live above this folder: the federation's signed requests register here when the server starts. */
@Injectable()
export class AuthSchemes {
  readonly #schemes = new Map<string, AuthScheme>();
  #checkHeader: (request: FastifyRequest) => void = () => undefined;

  /** @param checkHeader what the headers alone show, before the body is read; throws MatrixError */
  register(mode: 'server', scheme: AuthScheme, checkHeader: (request: FastifyRequest) => void): void {
    this.#schemes.set(mode, scheme);
    this.#checkHeader = checkHeader;
  }

  /** @throws MatrixError for a request of another server whose body is not worth reading */
  checkHeader(request: FastifyRequest): void {
    this.#checkHeader(request);
  }

  get(mode: string): AuthScheme | undefined {
    return this.#schemes.get(mode);
  }
}
