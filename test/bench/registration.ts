import { createHmac } from 'node:crypto';

import type { HttpClient } from './http-client.ts';

/** A registered account with one device. */
export interface BenchUser {
  userId: string;
  accessToken: string;
}

const path = '/_synapse/admin/v1/register';

/**
 * The MAC of shared-secret registration: HMAC-SHA1 over nonce, name, password and role, separated by NUL.
 * @returns lower-case hex
 */
export function registrationMac(secret: string, nonce: string, username: string, password: string): string {
  return createHmac('sha1', secret).update([nonce, username, password, 'notadmin'].join('\0')).digest('hex');
}

/**
 * Registers an account over the shared-secret endpoint, which Synapse, Dendrite and Partyline have alike: two requests.
 * @param username localpart, not taken yet
 * @throws HttpFailure when the server refuses
 */
export async function registerUser(http: HttpClient, secret: string, username: string): Promise<BenchUser> {
  const password = `password-${username}`;
  const { nonce } = await http.json<{ nonce: string }>('GET', path, null);
  const account = await http.json<{ user_id: string; access_token: string }>('POST', path, null, {
    nonce, username, password, admin: false, mac: registrationMac(secret, nonce, username, password),
  });
  return { userId: account.user_id, accessToken: account.access_token };
}
