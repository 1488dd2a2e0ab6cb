import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { JsonMeter } from '#json';
import { MatrixError } from '../errors/matrix-error.js';
import { AnswerDelivery, LARGE_BYTES, MAX_HELD_BYTES_PER_SERVER } from './answer-delivery.js';
import type { AuthSchemes } from './auth-schemes.js';
import { ByteBudget } from './byte-budget.js';
import type { BodyOptions } from './body-options.decorator.js';
import { addressKey } from './rate-limits.js';
import { RawJson } from './raw-json.js';
import type { RouteTable } from './route-table.js';

/** Bytes of a JSON body: transactions of other servers hold 50 PDUs of 64 KiB and 100 EDUs; clients upload key backups. */
const FEDERATION_BODY_LIMIT = 16 * 1024 * 1024;
const BODY_LIMIT = 4 * 1024 * 1024;
/** Bytes of bodies that are being read, or whose requests are not answered yet: in all, and of one address. */
const MAX_HELD_BYTES = 128 * 1024 * 1024;
const MAX_HELD_BYTES_PER_ADDRESS = 32 * 1024 * 1024;

const JSON_WITH_CHARSET = 'application/json; charset=utf-8';
const R0_PATH = /^\/_matrix\/(client|media)\/r0\//;

const corsHeaders = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, PUT, DELETE, OPTIONS',
  'access-control-allow-headers': 'X-Requested-With, Content-Type, Authorization',
  'access-control-expose-headers': 'Retry-After, ETag, Content-Disposition',
} as const;

function noSchemas(): never {
  throw new Error('routes are described to Fastify without schemas');
}

/** Options of the Fastify instance: `new FastifyAdapter(fastifyOptions)`, with `bodyParser: false` for NestFactory. */
export const fastifyOptions = {
  // State keys may be empty: `/state/{type}/`. Identifiers are up to 255 bytes, percent-encoded three times as long.
  routerOptions: { ignoreTrailingSlash: true, maxParamLength: 2048 },
  // X-Forwarded-For is believed from a reverse proxy on this machine only.
  trustProxy: 'loopback',
  skipMiddie: true,
  // No route has a JSON schema; the compilers for them would be a tenth of the server's memory at rest.
  schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
  // COMPAT(clients of the r0 specification): the paths are the same as those of v3.
  rewriteUrl: (request: { url?: string }): string => (request.url ?? '/').replace(R0_PATH, '/_matrix/$1/v3/'),
  frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) => {
    reply
      .code(error.statusCode ?? 400)
      .headers(corsHeaders)
      .send({ errcode: 'M_INVALID_PARAM', error: 'The path cannot be read' });
  },
};

/**
 * Sets up what lies below Nest: CORS, bodies, answers that are text already. Call before `app.init()`, so that it sees every
 * route.
 */
export function installHttp(fastify: FastifyInstance, routes: RouteTable, schemes: AuthSchemes): void {
  fastify.decorateRequest('requester', null);
  fastify.decorateRequest('originServer', null);
  fastify.decorateRequest('parsedBody', undefined);
  fastify.decorateRequest('bodyBytes', 0);
  fastify.decorateRequest('contentType', null);
  const budget = new ByteBudget(MAX_HELD_BYTES, MAX_HELD_BYTES_PER_ADDRESS);
  fastify.addHook('onRoute', (route) => routes.add(route.url));
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.headers(corsHeaders);
    if (request.method === 'OPTIONS') {
      reply.code(204).send();
      return;
    }
    // PostgreSQL cannot store NUL characters, and no identifier holds one.
    if (request.url.includes('%00')) {
      done(MatrixError.invalidParam('The address must not hold NUL characters'));
      return;
    }
    // Whatever it says, and be it nothing or no media type at all: a body is JSON, or bytes for routes that take them.
    if (request.method !== 'GET') {
      request.contentType = request.raw.headers['content-type'] ?? null;
      delete request.raw.headers['content-type'];
      reply.raw.once('close', () => {
        if (request.bodyBytes > 0) budget.give(addressKey(request.ip), request.bodyBytes);
      });
    }
    done();
  });
  const [toClients, toServers] = [new AnswerDelivery(), new AnswerDelivery(MAX_HELD_BYTES_PER_SERVER)];
  fastify.addHook('onSend', (request, reply, payload, done) => {
    // Fastify adds a charset to text, and the specification names the type without.
    if (reply.getHeader('content-type') === JSON_WITH_CHARSET) reply.header('content-type', 'application/json');
    if (typeof payload !== 'string' || payload.length < LARGE_BYTES) return done(null, payload);
    const party = request.requester?.userId ?? request.originServer ?? addressKey(request.ip);
    const delivery = request.originServer === null ? toClients : toServers;
    // Its bytes are counted here and by Fastify, and written by the system: made once.
    const bytes = Buffer.from(payload);
    if (delivery.begin(reply.raw, party, bytes.length)) return done(null, bytes);
    reply.code(429);
    done(null, JSON.stringify({ errcode: 'M_LIMIT_EXCEEDED', error: 'Too much is on its way to you already', retry_after_ms: 1_000 }));
  });
  fastify.setReplySerializer((payload) => (payload instanceof RawJson ? payload.text : JSON.stringify(payload)));
  // Clients send JSON under any content type or none. It is parsed later (request-state.ts), after authentication.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (request, payload, done) => {
    const options = (request.routeOptions.config as { body?: BodyOptions }).body;
    if (options?.stream || request.is404) {
      done(null, payload);
      return;
    }
    const isOfServer = request.url.startsWith('/_matrix/federation/') && !options?.unsigned;
    try {
      if (isOfServer) schemes.checkHeader(request);
    } catch (error) {
      payload.resume();
      done(error as Error);
      return;
    }
    const limit = options?.limit ?? (isOfServer ? FEDERATION_BODY_LIMIT : BODY_LIMIT);
    readText(request, payload, limit, budget, done);
  });
}

function readText(
  request: FastifyRequest,
  payload: IncomingMessage,
  limit: number,
  budget: ByteBudget,
  done: (error: Error | null, body?: string) => void,
): void {
  const tooLarge = () => MatrixError.tooLarge(`The body is larger than ${limit} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > limit) {
    done(tooLarge());
    return;
  }
  const chunks: Buffer[] = [];
  const meter = new JsonMeter();
  const address = addressKey(request.ip);
  let size = 0;
  const finish = (error: Error | null, body?: string) => {
    payload.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
    // Keeps what still arrives from filling the socket's buffer for ever; the connection closes after the answer.
    if (error) payload.resume();
    done(error, body);
  };
  const onData = (chunk: Buffer) => {
    size += chunk.length;
    if (size > limit) return finish(tooLarge());
    if (!meter.add(chunk)) return finish(MatrixError.tooLarge('The body holds too many values'));
    if (!budget.take(address, chunk.length)) return finish(new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many large requests at once', { retry_after_ms: 1_000 }));
    request.bodyBytes += chunk.length;
    chunks.push(chunk);
  };
  const onEnd = () => {
    const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    // Decoding would put replacement characters where nobody wrote any.
    if (isUtf8(bytes)) finish(null, bytes.toString('utf8'));
    else finish(new MatrixError(400, 'M_NOT_JSON', 'The body is not UTF-8'));
  };
  const onError = () => finish(MatrixError.unknown(400, 'The body could not be read'));
  const onClose = () => finish(MatrixError.unknown(400, 'The connection closed early'));
  payload.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
}
