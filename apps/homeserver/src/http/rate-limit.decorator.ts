import 'reflect-metadata';
import type { RateLimitKind } from './rate-limits.js';

const RATE_LIMIT = Symbol('partyline.rate-limit');

/** Counts calls of the route against the kind's bucket, per account where the requester is known, else per address. */
export function RateLimit(kind: RateLimitKind): MethodDecorator {
  return (_target, _key, descriptor) => {
    Reflect.defineMetadata(RATE_LIMIT, kind, descriptor.value as object);
  };
}

export function rateLimitOf(handler: object): RateLimitKind | undefined {
  return Reflect.getMetadata(RATE_LIMIT, handler) as RateLimitKind | undefined;
}
