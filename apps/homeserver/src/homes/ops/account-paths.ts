import { federationPath } from '../../federation/federation-client.js';

/** `POST` hands over operations, `GET` asks for them (protocol §8). */
export function operationsPath(userId: string): string {
  return federationPath`/_matrix/federation/unstable/io.partyline/account/${userId}/ops`;
}

export function snapshotPath(userId: string): string {
  return federationPath`/_matrix/federation/unstable/io.partyline/account/${userId}/snapshot`;
}

export function digestPath(userId: string): string {
  return federationPath`/_matrix/federation/unstable/io.partyline/account/${userId}/digest`;
}
