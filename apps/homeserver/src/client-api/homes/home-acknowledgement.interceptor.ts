import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { from, mergeMap, type Observable } from 'rxjs';
import { MatrixError } from '../../errors/matrix-error.js';
import { HomeAcknowledgements } from '../../homes/ops/home-acknowledgements.js';
import { RawJson } from '../../http/raw-json.js';

const PARAMETER = 'io.partyline.homes';
const MAX_HOMES = 5;

/**
 * Writes of clients with `io.partyline.homes=j` are answered when j homes of the account have committed and applied them, or after
 * 5 s, with their names (protocol §5).
 */
@Injectable()
export class HomeAcknowledgementInterceptor implements NestInterceptor {
  constructor(private readonly acknowledgements: HomeAcknowledgements) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const given = (request.query as Record<string, unknown> | undefined)?.[PARAMETER];
    const userId = request.requester?.userId;
    if (given === undefined || request.method === 'GET' || userId === undefined) return next.handle();
    const count = Number(given);
    if (!Number.isInteger(count) || count < 1 || count > MAX_HOMES) throw MatrixError.invalidParam(`${PARAMETER}: 1 to ${MAX_HOMES}`);
    return next.handle().pipe(mergeMap((body: unknown) => from(this.#answer(userId, count, body))));
  }

  async #answer(userId: string, count: number, body: unknown): Promise<unknown> {
    const homes = await this.acknowledgements.wait(userId, count);
    return typeof body === 'object' && body !== null && !(body instanceof RawJson) ? { ...body, [PARAMETER]: homes } : body;
  }
}
