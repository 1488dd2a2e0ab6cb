import { federationPath } from '../../federation/federation-client.js';

/** Path of an account's record at any server that has seen the account (protocol §9). */
export function recordPath(userId: string): string {
  return federationPath`/_matrix/federation/unstable/io.partyline/record/${userId}`;
}
