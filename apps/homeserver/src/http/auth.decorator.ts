import 'reflect-metadata';
import { HTTP_CODE_METADATA } from '@nestjs/common/internal';

/**
 * Who may call a route:
 * - `user`: an access token of an account; guests are refused
 * - `user-or-guest`: an access token of any account
 * - `optional`: with a token the requester is known (and the token must be good), without one it is null
 * - `none`: anybody
 * - `server`: a request signed by another server (X-Matrix)
 * - `registration-secret`: anybody, if the operator has set the shared secret; the handler checks the MAC
 * - `custom`: the handler authenticates; say how in its comment
 */
export type AuthMode = 'user' | 'user-or-guest' | 'optional' | 'none' | 'server' | 'registration-secret' | 'custom';

export interface AuthOptions {
  /** Accounts that are not in good standing: `suspended: 'refuse'` for whatever others see, `locked: 'allow'` for logging out. */
  readonly suspended?: 'allow' | 'refuse';
  readonly locked?: 'allow' | 'refuse';
  /** Only accounts with the administrator's flag. */
  readonly admin?: boolean;
}

export interface AuthRule extends AuthOptions {
  readonly mode: AuthMode;
}

const AUTH = Symbol('partyline.auth');

/**
 * Every route carries this decorator; one without it is refused with 500 and fails a test. It also makes 200 the status of
 * every method (Nest answers POST with 201); `@HttpCode` on the route still wins.
 */
export function Auth(mode: AuthMode, options: AuthOptions = {}): MethodDecorator {
  return (_target, _key, descriptor) => {
    const handler = descriptor.value as object;
    Reflect.defineMetadata(AUTH, { mode, ...options } satisfies AuthRule, handler);
    if (!Reflect.hasMetadata(HTTP_CODE_METADATA, handler)) Reflect.defineMetadata(HTTP_CODE_METADATA, 200, handler);
  };
}

/** The rule of a route's handler; undefined where the decorator was forgotten. */
export function authRuleOf(handler: object): AuthRule | undefined {
  return Reflect.getMetadata(AUTH, handler) as AuthRule | undefined;
}
