/** As in the server (auth/passwords.ts). */
export const MIN_PASSWORD_LENGTH = 8;
const NAME = /^[a-z0-9._=\-/+]{1,200}$/;

/** What is wrong with each field; names of messages in `texts/<language>.json`. */
export interface AccountProblems {
  readonly name?: 'nameMissing' | 'nameInvalid';
  readonly password?: 'passwordShort';
}

/** The name as the server will have it, of what a person types: `Alice`, ` alice `, `@alice:example.org`. */
export function normalName(typed: string): string {
  const trimmed = typed.trim().toLowerCase();
  return trimmed.startsWith('@') ? trimmed.slice(1).split(':', 1)[0]! : trimmed;
}

/**
 * Looks at a form before it is sent; the server decides.
 *
 * @param name as `normalName` gives it
 */
export function checkAccount(name: string, password: string): AccountProblems {
  return {
    ...(name === '' ? { name: 'nameMissing' as const } : NAME.test(name) ? {} : { name: 'nameInvalid' as const }),
    // By code point: an emoji is one character for the person who types it.
    ...([...password].length < MIN_PASSWORD_LENGTH ? { password: 'passwordShort' as const } : {}),
  };
}
