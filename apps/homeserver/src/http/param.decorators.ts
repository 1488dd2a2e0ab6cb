import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Caller } from './caller.js';
import { bodyOf, mayHoldNull } from './request-state.js';
import { validate, validated } from './validate.js';

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
  const request = requestOf(context);
  const body = bodyOf(request);
  // A body of `null` is not an empty one.
  return (mayHoldNull(request) ? validate : validated)(check, body === undefined ? {} : body, 'M_BAD_JSON');
});

/** The query parameters, checked by the schema; see query-schemas.ts for numbers and booleans. */
export const QueryParams = (schema: z.ZodType): ParameterDecorator => queryParams({ check: schema });
const queryParams = createParamDecorator(({ check }: { check: z.ZodType }, context: ExecutionContext) =>
  validated(check, requestOf(context).query, 'M_INVALID_PARAM'),
);

/** The `Caller` of the request, for long polls. */
export const CurrentCaller = createParamDecorator(
  (_data: unknown, context: ExecutionContext) => new Caller(context.switchToHttp().getResponse<FastifyReply>().raw, requestOf(context).server.stopping),
);
