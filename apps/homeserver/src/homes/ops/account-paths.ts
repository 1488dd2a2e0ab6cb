import { federationPath } from '../../federation/federation-client.js';

/** Hands over operations (protocol §8). */
export function operationsPath(userId: string): string {
  return federationPath`/_matrix/federation/unstable/io.partyline/account/${userId}/ops`;
}

/** Asks for operations; the ends of many logs do not fit into the line of a request. */
export function missingPath(userId: string): string {
  return `${operationsPath(userId)}/missing`;
}

export function snapshotPath(userId: string): string {
  return federationPath`/_matrix/federation/unstable/io.partyline/account/${userId}/snapshot`;
}

export function digestPath(userId: string): string {
  return federationPath`/_matrix/federation/unstable/io.partyline/account/${userId}/digest`;
}
