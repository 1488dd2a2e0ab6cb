import { z } from 'zod';
import { localpartOf, serverNameOf } from '#federation';

/** Whom a client means: `identifier` of type m.id.user, or the deprecated `user`. */
export const userIdentifierShape = {
  identifier: z.looseObject({ type: z.string().max(64), user: z.string().max(255).optional() }).optional(),
  user: z.string().max(255).optional(),
};

/**
 * The user id that a login names, by its localpart or in full; undefined where nobody of that kind can be known here
 * (email addresses, phone numbers).
 */
export function userIdOf(
  body: { identifier?: { type: string; user?: string | undefined } | undefined; user?: string | undefined },
  serverName: string,
): string | undefined {
  const { identifier } = body;
  if (identifier && identifier.type !== 'm.id.user') return undefined;
  const user = identifier ? identifier.user : body.user;
  if (user === undefined || user === '') return undefined;
  const userId = user.startsWith('@') ? user : `@${user}:${serverName}`;
  return `@${lowered(localpartOf(userId))}:${serverNameOf(userId)}`;
}

/** No name of an account has capitals. Of ASCII only: else somebody's U+212A (the kelvin sign) would be a `k`. */
function lowered(localpart: string): string {
  return localpart.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
