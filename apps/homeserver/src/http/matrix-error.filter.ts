import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { MatrixError } from '../errors/matrix-error.js';
import { Log } from '../observability/log.js';
import { isUnavailable, UnknownOutcome } from '../storage/database-errors.js';
import { DatabaseHealth } from '../storage/database-health.js';
import { operatorSentence } from '../storage/operator-errors.js';
import { NotFoundPage } from './not-found-page.js';
import { RouteTable } from './route-table.js';

/** When a client may try again while the database does not serve. */
const RETRY_AFTER_MS = 2_000;

/** Turns whatever a request throws into Matrix's error body. */
@Injectable()
@Catch()
export class MatrixErrorFilter implements ExceptionFilter {
  constructor(
    private readonly log: Log,
    private readonly routes: RouteTable,
    private readonly database: DatabaseHealth,
    private readonly page: NotFoundPage,
  ) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const error = this.#toMatrixError(exception, request);
    if (reply.sent || reply.raw.destroyed) return;
    if (error.status === 404 && this.page.answer(request, reply)) return;
    const wait = error.fields['retry_after_ms'];
    if (typeof wait === 'number') reply.header('retry-after', Math.ceil(wait / 1000));
    // A handler may have chosen a type for the answer that did not come to be.
    reply.type('application/json').code(error.status).send(JSON.stringify(error.toBody()));
  }

  #toMatrixError(exception: unknown, request: FastifyRequest): MatrixError {
    if (exception instanceof MatrixError) return exception;
    const status = statusOf(exception);
    if (status === 404) {
      return this.routes.has(pathOf(request))
        ? new MatrixError(405, 'M_UNRECOGNIZED', 'Method not allowed here')
        : MatrixError.unrecognized();
    }
    if (status === 413) return MatrixError.tooLarge('The request is too large');
    if (status !== undefined && status >= 400 && status < 500) return MatrixError.unknown(status, (exception as Error).message);
    // The path without its query, which may hold a token.
    const where = { method: request.method, path: pathOf(request) };
    const sentence = operatorSentence(exception);
    if (sentence !== null || isUnavailable(exception)) {
      const answer = this.database.problem ?? sentence ?? (exception instanceof UnknownOutcome ? exception.message : this.database.sentence);
      this.log.error(`request failed: ${answer}`, exception, where);
      return MatrixError.unavailable(answer, RETRY_AFTER_MS);
    }
    this.log.error('request failed', exception, where);
    return MatrixError.unknown(500, 'Internal server error');
  }
}

/** HTTP status of Nest's and Fastify's own errors. */
function statusOf(exception: unknown): number | undefined {
  if (exception instanceof HttpException) return exception.getStatus();
  const { statusCode, code } = (exception ?? {}) as { statusCode?: unknown; code?: unknown };
  return typeof statusCode === 'number' && typeof code === 'string' && code.startsWith('FST_') ? statusCode : undefined;
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0]!;
}
