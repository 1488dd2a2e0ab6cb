import { sha256, unpaddedBase64 } from '#federation';

/** By what replicas compare a room's state: SHA-256 of its sorted event ids with a newline after each, unpadded Base64. */
export function stateHash(eventIds: Iterable<string>): string {
  return unpaddedBase64(sha256([...eventIds].sort().map((id) => `${id}\n`).join('')));
}
