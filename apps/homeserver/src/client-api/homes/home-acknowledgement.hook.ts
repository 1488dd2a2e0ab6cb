import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MatrixError } from '../../errors/matrix-error.js';
import { HomeAcknowledgements } from '../../homes/ops/home-acknowledgements.js';
import { Clock } from '../../observability/clock.js';
import { RawJson } from '../../http/raw-json.js';

const PARAMETER = 'io.partyline.homes';
const MAX_HOMES = 5;

/**
 * Writes of clients with `io.partyline.homes=j` are answered when j homes of the account have committed and applied them, or after
 * 5 s, with their names (protocol §5). A hook of Fastify: an interceptor of Nest would wrap each request of every route.
 */
@Injectable()
export class HomeAcknowledgementHook implements OnModuleInit {
  /** When requests came. */
  readonly #since = new WeakMap<FastifyRequest, number>();

  constructor(
    private readonly acknowledgements: HomeAcknowledgements,
    private readonly clock: Clock,
    private readonly host: HttpAdapterHost,
  ) {}

  onModuleInit(): void {
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>();
    // Before anything is written.
    fastify.addHook('preHandler', (request, _reply, done) => {
      try {
        if (homesAsked(request) !== undefined) this.#since.set(request, this.clock.now());
        done();
      } catch (error) {
        done(error as Error);
      }
    });
    fastify.addHook('preSerialization', (request, reply, payload, done) => {
      const count = reply.statusCode < 300 ? homesAsked(request) : undefined;
      const userId = request.requester?.userId;
      if (count === undefined || userId === undefined || payload instanceof RawJson) done(null, payload);
      else this.acknowledgements.wait(userId, this.#since.get(request) ?? 0, count).then((homes) => done(null, { ...(payload as object), [PARAMETER]: homes }), done);
    });
  }
}

/** How many homes a write waits for; undefined for all other requests. @throws MatrixError 400 M_INVALID_PARAM */
function homesAsked(request: FastifyRequest): number | undefined {
  if (request.method === 'GET') return undefined;
  const given = (request.query as Record<string, unknown> | undefined)?.[PARAMETER];
  if (given === undefined) return undefined;
  const count = Number(given);
  if (!Number.isInteger(count) || count < 1 || count > MAX_HOMES) throw MatrixError.invalidParam(`${PARAMETER}: 1 to ${MAX_HOMES}`);
  return count;
}
