import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { bodyOf } from './request-state.js';
import { validate } from './validate.js';

const requestOf = (context: ExecutionContext): FastifyRequest => context.switchToHttp().getRequest<FastifyRequest>();

/** The `Requester` whose token the request carries; null only on routes with `@Auth('optional')`. */
export const CurrentUser = createParamDecorator((_data: unknown, context: ExecutionContext) => requestOf(context).requester);

/** The name of the server that signed the request, on routes with `@Auth('server')`. */
export const OriginServer = createParamDecorator((_data: unknown, context: ExecutionContext) => requestOf(context).originServer);

/** The caller's network address (the one that a reverse proxy on this machine reports). */
export const ClientAddress = createParamDecorator((_data: unknown, context: ExecutionContext) => requestOf(context).ip);

/**
 * The JSON body, checked by the schema. An empty body counts as `{}`, so a schema with required members refuses it with
 * M_MISSING_PARAM. Nest's own `@Body()` would give the unparsed text.
 */
export const JsonBody = (schema: z.ZodType): ParameterDecorator => jsonBody({ check: schema });
// In an object, because Nest takes whatever has a method `transform`, as zod's schemas do, for a pipe; and `schema` as the name
// of its member for its own option.
const jsonBody = createParamDecorator(({ check }: { check: z.ZodType }, context: ExecutionContext) => {
  const body = bodyOf(requestOf(context));
  // A body of `null` is not an empty one.
  return validate(check, body === undefined ? {} : body, 'M_BAD_JSON');
});

/** The query parameters, checked by the schema; see query-schemas.ts for numbers and booleans. */
export const QueryParams = (schema: z.ZodType): ParameterDecorator => queryParams({ check: schema });
const queryParams = createParamDecorator(({ check }: { check: z.ZodType }, context: ExecutionContext) =>
  validate(check, requestOf(context).query, 'M_INVALID_PARAM'),
);

/**
 * An AbortSignal that fires when the caller goes away before the answer was sent, or when the server stops
 * (an answer still arrives then). For long polls only: it adds a listener.
 */
export const Closed = createParamDecorator((_data: unknown, context: ExecutionContext) => {
  const response = context.switchToHttp().getResponse<FastifyReply>().raw;
  const controller = new AbortController();
  const { stopping } = requestOf(context).server;
  if (response.destroyed || stopping.aborted) controller.abort();
  const abort = () => controller.abort();
  stopping.addEventListener('abort', abort, { once: true });
  response.once('close', () => {
    stopping.removeEventListener('abort', abort);
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
});
