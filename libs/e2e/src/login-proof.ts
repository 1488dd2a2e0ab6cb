import { canonicalJson } from '#canonical-json';

/** Login type of `POST /_matrix/client/v3/login` that takes a signature by the account key (protocol §5). */
export const accountKeyLogin = 'io.partyline.account_key';

/**
 * The text that the account key signs to log in. It names the home, so that one home cannot hand on the nonce of another
 * and collect the person's signature for it.
 * @param nonce from `GET /_matrix/client/unstable/io.partyline/login/nonce` of that home
 */
export function loginProofText(nonce: string, userId: string, serverName: string): string {
  return canonicalJson({ nonce, user_id: userId, server_name: serverName, purpose: 'io.partyline.login' });
}
