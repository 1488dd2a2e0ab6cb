import type { FastifyRequest } from 'fastify';
import type { Requester } from '../accounts/requester.js';
import { MatrixError } from '../errors/matrix-error.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Fires when the server stops (server.ts). */
    stopping: AbortSignal;
  }
  interface FastifyRequest {
    /** Set by the guard. */
    requester: Requester | null;
    /** Set by the guard for `@Auth('server')`: the server that signed the request. */
    originServer: string | null;
    /** The parsed body, once somebody asked for it. */
    parsedBody: unknown;
    /** Bytes of the body that were read, as counted against the address. */
    bodyBytes: number;
  }
}

/**
 * The request's JSON body, parsed on first use so that a request without permission is not parsed at all. An empty body
 * is undefined.
 *
 * @throws MatrixError 400 M_NOT_JSON
 */
export function bodyOf(request: FastifyRequest): unknown {
  if (request.parsedBody !== undefined) return request.parsedBody;
  const text = request.body;
  if (typeof text !== 'string' || text === '') return undefined;
  try {
    request.parsedBody = JSON.parse(text);
  } catch {
    throw new MatrixError(400, 'M_NOT_JSON', 'The body is not valid JSON');
  }
  return request.parsedBody;
}
