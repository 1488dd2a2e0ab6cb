import type { FastifyRequest } from 'fastify';
import { LoneSurrogateError, nestsDeeperThan, parseJson, parseJsonOfParts } from '#json';
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
    /** The header Content-Type as it came, for routes that take bytes. */
    contentType: string | null;
  }
}

/**
 * Levels of lists and objects in what clients send. Many parsers end at 128, and clients that cannot read one event cannot read the answer
 * that it is in. Events of other servers are looked at one by one.
 */
const MAX_DEPTH = 100;

/** False when no member of the body is `null`. */
export function mayHoldNull({ body }: FastifyRequest): boolean {
  return typeof body === 'string' && body.includes('null');
}

/**
 * The request's JSON body, parsed on first use so that a request without permission is not parsed at all. An empty body
 * is undefined.
 *
 * @throws MatrixError 400 M_NOT_JSON, 400 M_BAD_JSON for what is nested too deeply or holds lone surrogates
 */
export function bodyOf(request: FastifyRequest): unknown {
  if (request.parsedBody !== undefined) return request.parsedBody;
  const text = request.body;
  if (typeof text !== 'string' || text === '') return undefined;
  try {
    request.parsedBody = request.originServer === null ? parseJson(text) : parseJsonOfParts(text);
  } catch (error) {
    if (error instanceof LoneSurrogateError) throw MatrixError.badJson('A string holds half of a character');
    throw new MatrixError(400, 'M_NOT_JSON', 'The body is not valid JSON');
  }
  if (request.originServer === null && nestsDeeperThan(request.parsedBody, MAX_DEPTH)) {
    request.parsedBody = undefined;
    throw MatrixError.badJson(`The body is nested more than ${MAX_DEPTH} levels deep`);
  }
  return request.parsedBody;
}
